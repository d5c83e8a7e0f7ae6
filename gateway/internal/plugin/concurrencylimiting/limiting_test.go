package concurrencylimiting

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/internal/testenv"
)

var uses = entitytest.Uses{
	name + ".limit":         ".: p.Limit",
	name + ".limit_by":      ".: p.LimitBy",
	name + ".header_name":   ".: p.HeaderName",
	name + ".ipv6_prefix":   ".: p.IPv6Prefix",
	name + ".retry_after":   ".: p.RetryAfter",
	name + ".dry_run":       ".: p.DryRun",
	name + ".error_code":    ".: p.ErrorCode",
	name + ".error_message": ".: p.ErrorMessage",
	name + ".policy":        ".: p.Policy",
	name + ".redis":         "elsewhere", // in redisconfig
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	r, err := entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins", `{"name":"`+name+`","config":{"limit":5}}`)
	if err != nil {
		t.Fatal(err)
	}
	plugintest.Schema{
		Priority: 907, Config: `{"limit":5}`,
		Defaults: map[string]any{
			"limit": int64(5), "limit_by": "consumer", "header_name": nil, "ipv6_prefix": int64(128), "retry_after": int64(1), "dry_run": false,
			"error_code": int64(429), "error_message": "Too many requests in flight",
			"policy": "local", "redis": entitytest.At(r, "config", "redis"), // its own defaults
		},
		Refused: map[string]string{
			`{}`:                              "config.limit: required field missing",
			`{"limit":0}`:                     "config.limit: value should be between 1 and 1000000",
			`{"limit":1,"limit_by":"path"}`:   "config.limit_by: ",
			`{"limit":1,"limit_by":"header"}`: "config.header_name: required field missing with limit_by header",
			`{"limit":1,"error_code":200}`:    "config.error_code: ",
			`{"limit":1,"policy":"cluster"}`:  "config.policy: expected one of: local, redis",
			`{"limit":1,"policy":"redis"}`:    "redis.host: required field missing",
		},
	}.Check(t, Definition())
}

// held is a gateway whose origin answers when it is told to.
type held struct {
	*plugintest.Gateway
	arrived, release, ended chan struct{}
}

func start(t *testing.T, config entity.Record) *held {
	t.Helper()
	h := &held{arrived: make(chan struct{}, 10), release: make(chan struct{}), ended: make(chan struct{}, 10)}
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/free" {
			return
		}
		h.arrived <- struct{}{}
		select {
		case <-h.release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "ok")
	})
	anyone := func(c *entity.Config) {
		c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "anyone"})
	}
	h.Gateway = plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()}, anyone,
		entity.Record{"name": "key-auth", "config": entity.Record{"anonymous": "anyone"}},
		entity.Record{"id": "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01", "name": name, "config": config})
	return h
}

// fill has n requests wait at the origin, and returns how they end.
func (h *held) fill(t *testing.T, n int, header ...string) (end func()) {
	t.Helper()
	for range n {
		go func() {
			h.Send(t, http.MethodGet, "/", "", header...)
			h.ended <- struct{}{}
		}()
	}
	for range n {
		select {
		case <-h.arrived:
		case <-time.After(20 * time.Second):
			t.Fatal("a request did not reach the origin")
		}
	}
	return func() {
		for range n {
			h.release <- struct{}{} // any of those that wait
		}
		for range n {
			<-h.ended
		}
	}
}

// passes wants a request to be answered by the origin, or by the plugin.
func (h *held) passes(t *testing.T, want bool, header ...string) {
	t.Helper()
	status, after := http.StatusOK, ""
	if !want {
		status, after = http.StatusTooManyRequests, "1"
	}
	// What has ended for its client is counted out a moment later.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		res, body := h.Send(t, http.MethodGet, "/free", "", header...)
		if res.StatusCode == status && res.Header.Get("Retry-After") == after {
			return
		}
		if !want || time.Now().After(deadline) {
			t.Fatalf("%v: status %d, Retry-After %q, %s; want status %d", header, res.StatusCode, res.Header.Get("Retry-After"), body, status)
		}
	}
}

func TestWhoIsCountedTogether(t *testing.T) {
	const alice = "apikey:alices-key"
	for by, c := range map[string]struct {
		fill      []string
		same, not []string // header fields of requests that are counted with those, and of one that is not
	}{
		"consumer":   {fill: []string{alice}, same: []string{alice}, not: []string{"X-Any:1"}},
		"credential": {fill: []string{alice}, same: []string{alice}, not: []string{"X-Any:1"}},
		"ip":         {fill: []string{alice}, same: []string{"X-Any:1"}},
		"service":    {fill: []string{alice}, same: []string{"X-Any:1"}},
		"route":      {fill: []string{alice}, same: []string{"X-Any:1"}},
		"header":     {fill: []string{"X-Tenant:a"}, same: []string{"X-Tenant:a"}, not: []string{"X-Tenant:b"}},
	} {
		t.Run(by, func(t *testing.T) {
			h := start(t, entity.Record{"limit": 2, "limit_by": by, "header_name": "X-Tenant"})
			first, second := h.fill(t, 1, c.fill...), h.fill(t, 1, c.fill...)
			h.passes(t, false, c.same...)
			if c.not != nil {
				h.passes(t, true, c.not...)
			}
			first()
			h.passes(t, true, c.same...)
			second()
		})
	}
}

// TestAClientThatLeavesIsCountedOut: its request must not hold a place for ever.
func TestAClientThatLeavesIsCountedOut(t *testing.T) {
	h := start(t, entity.Record{"limit": 1, "limit_by": "service"})
	c := &http.Client{Timeout: 300 * time.Millisecond}
	if res, err := c.Get(h.URL + "/"); err == nil {
		res.Body.Close()
		t.Fatal("the origin answered")
	}
	h.passes(t, true)
}

// TestReplicasShareALimitInRedis over two gateways with the same configuration.
func TestReplicasShareALimitInRedis(t *testing.T) {
	host, text, err := net.SplitHostPort(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	replica := func() *held {
		return start(t, entity.Record{
			"limit": 2, "limit_by": "service", "policy": "redis", "redis": entity.Record{"host": host, "port": port},
		})
	}
	a, b := replica(), replica()
	first, second := a.fill(t, 1), b.fill(t, 1)
	a.passes(t, false)
	b.passes(t, false)
	first()
	b.passes(t, true)
	a.passes(t, true)
	third := a.fill(t, 1)
	b.passes(t, false)
	second()
	third()
}

func TestWithoutRedisEachReplicaHasTheLimit(t *testing.T) {
	h := start(t, entity.Record{"limit": 2, "limit_by": "service", "policy": "redis", "redis": entity.Record{"host": "127.0.0.1", "port": 1}})
	end := h.fill(t, 2)
	h.passes(t, false)
	end()
	h.passes(t, true)
}

func TestADryRunRefusesNothing(t *testing.T) {
	h := start(t, entity.Record{"limit": 1, "limit_by": "service", "dry_run": true})
	h.fill(t, 3)()
}

func TestLongHeadersAreKeptAsDigests(t *testing.T) {
	h := start(t, entity.Record{"limit": 1, "limit_by": "header", "header_name": "X-Tenant"})
	long := "X-Tenant:" + strings.Repeat("a", 1000)
	end := h.fill(t, 1, long)
	h.passes(t, false, long)
	h.passes(t, true, long+"b")
	end()
}

func TestKeysAreForgotten(t *testing.T) {
	c := newCounter()
	a, b := c.enter("a", 2), c.enter("a", 2)
	if a == nil || b == nil || c.enter("a", 2) != nil || c.enter("b", 1) == nil {
		t.Fatal("a limit of two is not two")
	}
	c.leave(a)
	c.leave(b)
	kept := 0
	for i := range c.shards {
		kept += len(c.shards[i].m)
	}
	if kept != 1 || c.total.Load() != 1 {
		t.Errorf("%d keys and %d in flight, want b's", kept, c.total.Load())
	}
}

func BenchmarkCounter(b *testing.B) {
	c := newCounter()
	b.ReportAllocs()
	for b.Loop() {
		c.leave(c.enter("00000000-0000-0000-0000-000000000001/consumer/00000000-0000-0000-0000-000000000002", 10))
	}
}
