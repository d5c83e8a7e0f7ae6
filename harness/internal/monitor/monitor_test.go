package monitor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// started serves a page until the test ends; it returns the page's URL.
func started(t *testing.T, c Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Listen = l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	url := "http://" + c.Listen
	eventually(t, 5*time.Second, "the page does not answer", func() bool {
		return jsonhttp.StatusOf(jsonhttp.Get(t.Context(), url+"/none", nil)) == 404
	})
	return url
}

func eventually(t *testing.T, d time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx // bounded by the server
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, res.StatusCode, err)
	}
	return string(b)
}

// With a real Prometheus and Alertmanager: a target that is up, then down, then an alert that fires and is notified.
func TestPageShowsTargetsAlertsAndNotifications(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Prometheus and Alertmanager, and -short asks for tests without servers: run make test")
	}
	var down atomic.Bool
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
		}
	}))
	defer gateway.Close()
	target := alerting.Target{Job: "gateway", Instance: "gateway-1", Addr: strings.TrimPrefix(gateway.URL, "http://")}
	stack, err := alerting.Start(t.Context(), []alerting.Target{target}, alerting.Scale{Factor: 300, Scrape: 500 * time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	var known struct {
		Data struct {
			Active []struct {
				URL string `json:"url"`
			} `json:"activeAlertmanagers"`
		} `json:"data"`
	}
	eventually(t, 30*time.Second, "Prometheus has no Alertmanager", func() bool {
		return jsonhttp.Get(t.Context(), stack.Prometheus+"/api/v1/alertmanagers", &known) == nil && len(known.Data.Active) == 1
	})
	manager, _, _ := strings.Cut(known.Data.Active[0].URL, "/api/")
	url := started(t, Config{Prometheus: stack.Prometheus, Alertmanager: manager})
	const up = `<td>gateway-1</td><td>gateway</td><td class="up">up</td>`
	// On a busy machine the first scrape may come after the rule for absent targets fired.
	eventually(t, 30*time.Second, "the page does not show a target that is up, without alerts", func() bool {
		page := get(t, url)
		return strings.Contains(page, up) && !strings.Contains(page, `class="firing"`)
	})
	down.Store(true)
	var page string
	for _, want := range []string{
		`<td class="down">down</td><td>server returned HTTP status 503 Service Unavailable</td>`,
		`<tr><td>GatewayReplicaDown</td><td class="firing">firing</td>`,
		`<tr><td>GatewayReplicaDown</td><td>active</td><td>gateway-1</td>`,
	} {
		eventually(t, 30*time.Second, "the page does not show "+want, func() bool {
			page = get(t, url)
			return strings.Contains(page, want)
		})
	}
}

func TestPageSaysWhatDoesNotAnswer(t *testing.T) {
	page := get(t, started(t, Config{Prometheus: "http://127.0.0.1:1", Alertmanager: "http://127.0.0.1:1"}))
	if n := strings.Count(page, `<p class="error">`); n != 3 || !strings.Contains(page, "connection refused") {
		t.Errorf("%d errors:\n%s", n, page)
	}
}

func TestListenErrorIsReturned(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Serve(t.Context(), Config{Listen: l.Addr().String()})
	var op *net.OpError
	if !errors.As(err, &op) {
		t.Errorf("error %v", err)
	}
}

func TestPagesOfOthersCannotRead(t *testing.T) {
	guardtest.Refuses(t, http.MethodGet, started(t, Config{})+"/")
}
