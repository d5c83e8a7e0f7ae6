package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/testenv"
)

// tried are several replicas with one configuration, and two origins: that of the
// configuration that holds, and that of the one that is tried.
type tried struct {
	t        *testing.T
	dsn      string
	replicas []*process
	stable   *httptest.Server
	other    *httptest.Server
	status   atomic.Int64 // of the other origin
}

func startTried(t *testing.T, n int) *tried {
	t.Helper()
	c := &tried{t: t, dsn: testenv.Postgres(t)}
	c.status.Store(http.StatusOK)
	c.stable = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "stable") }))
	t.Cleanup(c.stable.Close)
	c.other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(c.status.Load()))
		_, _ = io.WriteString(w, "trial")
	}))
	t.Cleanup(c.other.Close)
	for i := range n {
		c.replicas = append(c.replicas, c.start(i))
	}
	c.call(http.MethodPost, "/services", map[string]any{"name": "api", "url": c.stable.URL}, 201)
	c.call(http.MethodPost, "/services/api/routes", map[string]any{"name": "all", "paths": []string{"/"}}, 201)
	c.everywhere("the configuration arrives", func(p *process) bool { return c.get(p, nil) == "stable" })
	return c
}

// start starts a replica and waits until it is ready.
func (c *tried) start(i int) *process {
	p := startProcess(c.t, "--pg-dsn="+c.dsn, fmt.Sprintf("--node-name=gw-%d", i), "--pg-acquire-timeout=10s", "--admin-wait=10s",
		"--retry-statuses=off", "--upstream-eject-after=0", "--access-log=off")
	p.eventually("ready", func() bool {
		code, _ := p.get("http://" + p.status + "/status/ready")
		return code == 200
	})
	return p
}

func (c *tried) everywhere(what string, ok func(p *process) bool) {
	c.t.Helper()
	for _, p := range c.replicas {
		p.eventually(what, func() bool { return ok(p) })
	}
}

// call asks the Admin API of the first replica.
func (c *tried) call(method, path string, body any, want int) map[string]any {
	c.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.replicas[0].admin+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != want {
		c.t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, text, want)
	}
	out := map[string]any{}
	_ = json.Unmarshal(text, &out)
	return out
}

// get asks a replica's proxy, and returns the body of the response.
func (c *tried) get(p *process, header http.Header) string {
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+p.proxy+"/", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return string(text)
}

// begin starts a trial in which the service has the other origin.
func (c *tried) begin(name string, rules map[string]any) map[string]any {
	c.t.Helper()
	to, err := url.Parse(c.other.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	body := map[string]any{"name": name, "changes": []any{map[string]any{
		"entity": "services", "operation": "update", "key": "api", "body": map[string]any{"url": to.String()},
	}}}
	for k, v := range rules {
		body[k] = v
	}
	return c.call(http.MethodPost, "/trials", body, 201)
}

func (c *tried) running(p *process) bool {
	_, text := p.get("http://" + p.status + "/metrics")
	return strings.Contains(text, "\ngateway_trial_running 1\n")
}

// share asks each replica so often and returns how many were served by the trial.
func (c *tried) share(each int, header http.Header) (of map[string]int) {
	of = map[string]int{}
	for i, p := range c.replicas {
		for range each {
			switch text := c.get(p, header); text {
			case "trial":
				of["trial"]++
				of[fmt.Sprint(i)]++
			case "stable":
			default:
				c.t.Fatalf("replica %d: %q", i, text)
			}
		}
	}
	return of
}

// traffic sends requests to all replicas until stop is closed, and counts those that
// failed.
func (c *tried) traffic(stop <-chan struct{}) (sent, failed *atomic.Int64, wait func()) {
	sent, failed = &atomic.Int64{}, &atomic.Int64{}
	var wg sync.WaitGroup
	for _, p := range c.replicas {
		wg.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				code, _ := p.get("http://" + p.proxy + "/")
				if sent.Add(1); code != 200 {
					failed.Add(1)
				}
			}
		})
	}
	return sent, failed, wg.Wait
}
