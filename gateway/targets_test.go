package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestATargetTakenOutByHandIsOutInEveryReplica(t *testing.T) {
	b := boot(t)
	var second int
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { second++; w.WriteHeader(200) }))
	t.Cleanup(other.Close)
	address := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	b.post("/upstreams", "name=pool.up", "healthchecks.passive.unhealthy.tcp_failures=1")
	b.post("/upstreams/pool.up/targets", "target="+address(b.origin))
	b.post("/upstreams/pool.up/targets", "target="+address(other))
	b.post("/services", "name=s", "host=pool.up")
	b.post("/services/s/routes", "paths[]=/ai")
	b.eventually("the configuration arrives", func() bool {
		b.get(b.proxy + "/ai/a")
		return b.asked.Load() > 0 && second > 0
	})

	// Another replica: it listens to the same database.
	ctx, cancel := context.WithCancel(context.Background())
	ready, watched := make(chan struct{}), make(chan error, 1)
	heard := make(chan string, 1)
	go func() {
		first := true
		watched <- b.elsewhere().Watch(ctx, func(int64) {
			if first {
				close(ready)
				first = false
			}
		}, func(text string) { heard <- text })
	}()
	<-ready
	defer func() {
		cancel()
		<-watched
	}()
	put := fmt.Sprintf("%s/upstreams/pool.up/targets/%s/", b.admin, address(b.origin))
	if code := b.send("PUT", put+"unhealthy"); code != 204 {
		t.Fatalf("unhealthy: %d", code)
	}
	var message struct {
		Target  string `json:"target"`
		Healthy bool   `json:"healthy"`
	}
	if err := json.Unmarshal([]byte(<-heard), &message); err != nil || message.Target != address(b.origin) || message.Healthy {
		t.Errorf("the other replica received %+v, %v", message, err)
	}
	asked := b.asked.Load()
	for range 10 {
		if r := b.get(b.proxy + "/ai/a"); r.StatusCode != 200 {
			t.Fatalf("%d %s", r.StatusCode, r.text)
		}
	}
	if n := b.asked.Load() - asked; n != 0 {
		t.Errorf("the target that is out got %d requests", n)
	}
	if r := b.get(b.admin + "/upstreams/pool.up/health"); strings.Count(r.text, `"health":"UNHEALTHY"`) != 2 { // the target, and its address
		t.Errorf("health: %s", r.text)
	}
	metric := fmt.Sprintf("gateway_upstream_target_healthy{target=%q,upstream=\"pool.up\"}", address(b.origin))
	if b.metric(metric) != 0 || b.metric(`gateway_upstream_ejections_total{cause="manual"`) != 1 {
		t.Errorf("metrics: %s", b.get(b.status+"/metrics").text)
	}
	if code := b.send("PUT", put+"healthy"); code != 204 {
		t.Fatalf("healthy: %d", code)
	}
	b.eventually("it gets requests again", func() bool { b.get(b.proxy + "/ai/a"); return b.asked.Load() > asked })
}
