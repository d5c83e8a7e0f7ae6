package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/internal/testenv"
)

const cachedRoute = `
_format_version: "3.0"
services:
- name: cached
  id: 6f1f7a3e-0000-4000-8000-000000000001
  url: ORIGIN
  routes:
  - name: cached
    id: 6f1f7a3e-0000-4000-8000-000000000002
    paths: [/]
  plugins:
  - name: proxy-cache
    config: {strategy: redis, cache_control: true, strip_tags: true, redis: {host: HOST, port: PORT, timeout: 10000}}
`

// startReplicas starts gateway processes with one configuration and one Redis.
func startReplicas(t *testing.T, n int, origin string) (replicas []*process, more func() *process) {
	t.Helper()
	host, port, err := net.SplitHostPort(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kong.yml")
	write(t, file, strings.NewReplacer("ORIGIN", origin, "HOST", host, "PORT", port).Replace(cachedRoute))
	start := func() *process { return startProcess(t, "--database=off", "--declarative-config="+file) }
	ready := func(p *process) {
		p.eventually("ready", func() bool { status, _ := p.get("http://" + p.status + "/health/ready"); return status == 200 })
	}
	for range n {
		replicas = append(replicas, start())
	}
	for _, p := range replicas {
		ready(p)
	}
	return replicas, func() *process { p := start(); ready(p); return p }
}

// TestALeaderThatIsKilledIsReplaced kills the gateway that fetches what a thousand
// clients of the two others wait for.
func TestALeaderThatIsKilledIsReplaced(t *testing.T) {
	var asked atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			<-r.Context().Done() // the dead gateway's
			return
		}
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, "answer")
	}))
	t.Cleanup(origin.Close)
	replicas, _ := startReplicas(t, 3, origin.URL)
	target := fmt.Sprintf("/killed-%x", rand.Uint64())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	get := func(i int) (int, string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+replicas[i].proxy+target, http.NoBody)
		if err != nil {
			return 0, "", err
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
	var led sync.WaitGroup
	led.Go(func() { _, _, _ = get(0) })
	replicas[0].eventually("the leader's request", func() bool { return asked.Load() == 1 })
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 1000 {
		wg.Go(func() {
			if status, body, err := get(1 + i%2); err != nil || status != 200 || body != "answer" {
				failed.Add(1)
				t.Logf("%d %q %v", status, body, err)
			}
		})
	}
	_ = replicas[0].cmd.Process.Kill()
	led.Wait()
	wg.Wait()
	if n := asked.Load(); n > 2 || failed.Load() > 0 {
		t.Errorf("the origin was asked %d times, want at most 2; %d of 1000 clients saw an error", n, failed.Load())
	}
}
