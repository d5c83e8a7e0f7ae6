package origin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/origin"
	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// serveIll runs an origin on loopback and returns its URL.
func serveIll(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := origin.New(origin.Config{Models: 5, BodyBytes: 1000}).ServeListener(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(cancel)
	return "http://" + ln.Addr().String()
}

func do(t *testing.T, method, url, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func TestIllnessTakesItsShare(t *testing.T) {
	url := serveIll(t)
	if code, text, _ := do(t, "PUT", url+"/illness", `{"status":503,"share":0.3}`); code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	ill := 0
	for range 100 {
		switch code, _, _ := do(t, "GET", url+"/v1/models/1", ""); code {
		case 503:
			ill++
		case 200:
		default:
			t.Fatalf("status %d", code)
		}
	}
	if ill < 29 || ill > 30 { // the last one may be due with the next request
		t.Errorf("%d of 100 were ill, want 30", ill)
	}
	_, text, _ := do(t, "GET", url+"/stats", "")
	var stats struct{ Ill int }
	if err := json.Unmarshal([]byte(text), &stats); err != nil || stats.Ill != ill {
		t.Errorf("the origin counts %d, seen were %d (%v)", stats.Ill, ill, err)
	}
	do(t, "DELETE", url+"/illness", "")
	for range 20 {
		if code, _, _ := do(t, "GET", url+"/v1/models/1", ""); code != 200 {
			t.Errorf("status %d after the illness", code)
		}
	}
}

func TestATruncatedBodyIsSeenAsSuch(t *testing.T) {
	url := serveIll(t)
	do(t, "PUT", url+"/illness", `{"truncate":true,"share":1}`)
	code, text, err := do(t, "GET", url+"/v1/models/1", "")
	if code != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || len(text) == 0 || len(text) >= 1000 {
		t.Errorf("status %d, %d bytes, error %v: want 200, half of the body and its end too early", code, len(text), err)
	}
}

func TestTooManyHasRetryAfter(t *testing.T) {
	url := serveIll(t)
	do(t, "PUT", url+"/illness", `{"status":429,"share":1}`)
	res, err := http.Get(url + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	if code, _, _ := do(t, "GET", url+"/health", ""); code != 200 {
		t.Errorf("/health answers %d: only the API may be ill", code)
	}
}

func TestIllnessRefuses(t *testing.T) {
	url := serveIll(t)
	for body, want := range map[string]string{
		`{"status":503}`:             "share: 0 is not allowed: want above 0, to 1",
		`{"status":404,"share":1}`:   "status: 404 is not allowed: want 429 or 500 to 599",
		`{"share":1}`:                "none is set",
		`{"share":1,"delay_ms":-1}`:  "delay_ms: -1 is not allowed: want 0 to 60000",
		`[]`:                         "cannot unmarshal",
		`{"share":1e999,"status":1}`: "cannot unmarshal",
	} {
		if code, text, _ := do(t, "PUT", url+"/illness", body); code != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %q", body, code, text, want)
		}
	}
	if code, _, _ := do(t, "POST", url+"/illness", ""); code != 405 {
		t.Errorf("POST answers %d", code)
	}
}

// The API takes any Host, as gateways send many; what steers the origin does not.
func TestSteeringRefusesWebPages(t *testing.T) {
	url := serveIll(t)
	guardtest.Refuses(t, "GET", url+"/stats")
	guardtest.Refuses(t, "GET", url+"/illness")
	guardtest.Refuses(t, "DELETE", url+"/illness")
	guardtest.Refuses(t, "POST", url+"/reset")
	if got := guardtest.Status(t, "GET", url+"/v1/models/1", "api.example", "Origin", "https://elsewhere.example"); got != 200 {
		t.Errorf("the API under another Host: %d", got)
	}
}
