package origin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/origin"
)

func TestEchoTellsWhatTheOriginWasSent(t *testing.T) {
	_, url, _ := serve(t, origin.Config{Models: 1, BodyBytes: 100})
	req, err := http.NewRequest(http.MethodPut, url+"/anything/a%2Fb?x=1&vary=Accept&max_age=30", strings.NewReader(`{"msg":"hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Add("X-Two", "a")
	req.Header.Add("X-Two", "b")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var e origin.Echo
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	if e.Method != "PUT" || e.URL != "/anything/a%2Fb?x=1&vary=Accept&max_age=30" || e.Headers["X-Two"] != "a, b" ||
		string(e.JSON) != `{"msg":"hello"}` || e.Origin != "127.0.0.1" {
		t.Errorf("echo %+v", e)
	}
	if res.Header.Get("Vary") != "Accept" || res.Header.Get("Cache-Control") != "max-age=30" {
		t.Errorf("headers %v", res.Header)
	}
}

func TestBytesAreAsManyAsAskedFor(t *testing.T) {
	_, url, _ := serve(t, origin.Config{Models: 1, BodyBytes: 100})
	for path, want := range map[string]int{"/bytes/0": 0, "/bytes/10240": 10240, "/bytes/1000": 1000, "/bytes/-1": -1, "/bytes/99999999": -1} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		switch {
		case err != nil:
			t.Fatal(err)
		case want < 0 && res.StatusCode != http.StatusNotFound:
			t.Errorf("%s: status %d", path, res.StatusCode)
		case want >= 0 && (res.StatusCode != http.StatusOK || len(body) != want || res.Header.Get(origin.BodyHeader) == ""):
			t.Errorf("%s: status %d, %d bytes", path, res.StatusCode, len(body))
		}
	}
}
