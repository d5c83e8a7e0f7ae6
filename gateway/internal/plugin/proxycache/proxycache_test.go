package proxycache

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// cacheBench is a proxy-cache plugin with an upstream of the test's own.
type cacheBench struct {
	tb       testing.TB
	plugin   *proxyCache
	metrics  *prometheus.Registry
	upstream func(ctx *fasthttp.RequestCtx)
	asked    int // requests that went to the upstream
}

func newCacheBench(tb testing.TB, config map[string]any) *cacheBench {
	tb.Helper()
	reg := prometheus.NewRegistry()
	store, err := cache.New(cache.Config{MaxEntryBytes: 1 << 16}, reg, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	p, err := newPlugin(&entity.Plugin{ID: "0c", Name: "proxy-cache", Config: config}, &plugin.Deps{Cache: store})
	if err != nil {
		tb.Fatal(err)
	}
	b := &cacheBench{tb: tb, plugin: p.(*proxyCache), metrics: reg}
	b.answers(`{"a":1}`)
	return b
}

// answers makes the upstream answer 200 with JSON, and these fields.
func (b *cacheBench) answers(body string, fields ...string) {
	b.upstream = func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.SetContentType("application/json; charset=utf-8")
		for i := 0; i < len(fields); i += 2 {
			ctx.Response.Header.Add(fields[i], fields[i+1])
		}
		ctx.SetBodyString(body)
	}
}

func request(target string, fields ...string) *plugin.Exchange {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.SetRequestURI(target)
	ctx.Request.Header.SetHost("gateway")
	for i := 0; i < len(fields); i += 2 {
		ctx.Request.Header.Add(fields[i], fields[i+1])
	}
	return &plugin.Exchange{Ctx: ctx, Route: &entity.Route{ID: "route"}}
}

// do sends one request through, as the chain would, and checks X-Cache-Status.
func (b *cacheBench) do(x *plugin.Exchange, status string) *fasthttp.Response {
	b.tb.Helper()
	if !b.plugin.Access(x) {
		b.asked++
		b.upstream(x.Ctx)
		x.Proxied = true
		b.plugin.HeaderFilter(x)
	}
	// A stream is written after the handler has returned, and closed.
	r := &x.Ctx.Response
	b.plugin.Log(x)
	if s := r.BodyStream(); s != nil {
		body, err := io.ReadAll(s)
		if err == nil {
			_ = r.CloseBodyStream()
			r.SetBody(body)
		} else {
			_ = r.CloseBodyStream()
		}
	}
	if got := string(r.Header.Peek("X-Cache-Status")); got != status || got != x.CacheStatus {
		b.tb.Errorf("X-Cache-Status %q (exchange %q), want %q", got, x.CacheStatus, status)
	}
	return r
}

func (b *cacheBench) count(outcome string) (n float64) {
	families, err := b.metrics.Gather()
	if err != nil {
		b.tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "gateway_cache_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" && l.GetValue() == outcome {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

func TestProxyCacheMissThenHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, nil)
		b.answers("hello", "X-Own", "1", "X-Own", "2", "X-RateLimit-Remaining-Minute", "5", "X-Kong-Proxy-Latency", "3",
			"Connection", "X-Hop", "X-Hop", "1", "Via", "kong")
		miss := b.do(request("/a"), cacheMiss)
		key := string(miss.Header.Peek("X-Cache-Key"))
		if len(key) != 64 {
			t.Errorf("X-Cache-Key %q", key)
		}
		time.Sleep(7 * time.Second)
		x := request("/a")
		hit := b.do(x, cacheHit)
		for name, want := range map[string]string{"Age": "7", "X-Cache-Key": key, "Content-Type": "application/json; charset=utf-8",
			"X-RateLimit-Remaining-Minute": "", "X-Kong-Proxy-Latency": "", "X-Hop": "", "Via": "kong"} {
			if got := string(hit.Header.Peek(name)); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if own := bytes.Join(hit.Header.PeekAll("X-Own"), []byte(",")); string(own) != "1,2" {
			t.Errorf("X-Own: %q", own)
		}
		if string(hit.Body()) != "hello" || b.asked != 1 {
			t.Errorf("body %q, upstream asked %d times", hit.Body(), b.asked)
		}
		time.Sleep(294 * time.Second)
		b.do(request("/a"), cacheMiss) // cache_ttl 300: forgotten, so not Refresh
		if m, h := b.count("miss"), b.count("hit"); m != 2 || h != 1 {
			t.Errorf("%v misses and %v hits counted", m, h)
		}
	})
}

func TestProxyCacheWhatIsCached(t *testing.T) {
	respond := func(status int, contentType string, fields ...string) func(*fasthttp.RequestCtx) {
		return func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(status)
			ctx.Response.Header.SetNoDefaultContentType(true)
			if contentType != "" {
				ctx.SetContentType(contentType)
			}
			for i := 0; i < len(fields); i += 2 {
				ctx.Response.Header.Add(fields[i], fields[i+1])
			}
			ctx.SetBodyString("x")
		}
	}
	follow := map[string]any{"cache_control": true, "content_type": []any{"application/json"}}
	followed := map[string]any{"cache_control": true, "content_type": []any{"application/json"}, "response_code": []any{200, 404}}
	tests := []struct {
		about    string
		config   map[string]any
		request  func() *plugin.Exchange
		upstream func(*fasthttp.RequestCtx)
		first    string
		second   string
	}{
		{
			about: "a charset does not matter", config: follow, first: cacheMiss, second: cacheHit,
			upstream: respond(200, "application/json; charset=utf-8", "Cache-Control", "max-age=5"),
		},
		{
			about:    "unless the operator names one",
			config:   map[string]any{"content_type": []any{"application/json; charset=latin1"}},
			upstream: respond(200, "application/json; charset=utf-8"), first: cacheBypass, second: cacheBypass,
		},
		{
			about: "types with a star", config: map[string]any{"content_type": []any{"text/*"}},
			upstream: respond(200, "text/html"), first: cacheMiss, second: cacheHit,
		},
		{about: "another type", config: follow, upstream: respond(200, "text/html"), first: cacheBypass, second: cacheBypass},
		{about: "no type", config: follow, upstream: respond(200, ""), first: cacheBypass, second: cacheBypass},
		{
			about: "a status that is listed", config: followed, first: cacheMiss, second: cacheHit,
			upstream: respond(404, "application/json", "Cache-Control", "max-age=5"),
		},
		{
			about: "a status that is not", config: followed, first: cacheBypass, second: cacheBypass,
			upstream: respond(201, "application/json", "Cache-Control", "max-age=5"),
		},
		{
			about: "any status where none is listed", config: follow, first: cacheMiss, second: cacheHit,
			upstream: respond(201, "application/json", "Cache-Control", "max-age=5"),
		},
		{
			about: "any type where none is listed", config: map[string]any{"cache_control": true}, first: cacheMiss, second: cacheHit,
			upstream: respond(200, "text/html", "Cache-Control", "max-age=5"),
		},
		{about: "no freshness", config: follow, upstream: respond(200, "application/json"), first: cacheBypass, second: cacheBypass},
		{
			about: "no freshness, with the operator's", first: cacheMiss, second: cacheHit, upstream: respond(200, "text/html"),
			config: map[string]any{"cache_control": true, "cache_ttl": 60.0},
		},
		{
			about: "explicit freshness without cache_ttl's help", config: follow,
			upstream: respond(200, "application/json", "Cache-Control", "max-age=5"), first: cacheMiss, second: cacheHit,
		},
		{
			about: "no-store from the upstream", config: follow,
			upstream: respond(200, "application/json", "Cache-Control", "no-store"), first: cacheBypass, second: cacheBypass,
		},
		{
			about:    "no-store from the upstream where the rest is not followed",
			upstream: respond(200, "application/json", "Cache-Control", "no-store"), first: cacheBypass, second: cacheBypass,
		},
		{
			about: "no-store from the upstream against the operator's word", config: map[string]any{"store_private": true},
			upstream: respond(200, "application/json", "Cache-Control", "no-store"), first: cacheMiss, second: cacheHit,
		},
		{
			about: "no-cache from the client revalidates", config: follow,
			request:  func() *plugin.Exchange { return request("/a", "Cache-Control", "no-cache") },
			upstream: respond(200, "application/json", "Cache-Control", "max-age=5"), first: cacheMiss, second: cacheRefresh,
		},
		{
			about: "no-store from the client", config: follow,
			request:  func() *plugin.Exchange { return request("/a", "Cache-Control", "no-store") },
			upstream: respond(200, "application/json", "Cache-Control", "max-age=5"), first: cacheBypass, second: cacheBypass,
		},
		{
			about:    "no-cache from the client that is not followed",
			request:  func() *plugin.Exchange { return request("/a", "Cache-Control", "no-cache") },
			upstream: respond(200, "application/json"), first: cacheMiss, second: cacheHit,
		},
		{
			about: "a method that is not listed", config: follow,
			request:  func() *plugin.Exchange { x := request("/a"); x.Ctx.Request.Header.SetMethod("POST"); return x },
			upstream: respond(200, "application/json"), first: cacheBypass, second: cacheBypass,
		},
		{
			about: "Authorization", config: follow,
			request:  func() *plugin.Exchange { return request("/a", "Authorization", "Bearer t") },
			upstream: respond(200, "application/json"), first: cacheBypass, second: cacheBypass,
		},
		{about: "an answer that is too long", upstream: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain")
			ctx.SetBody(make([]byte, 1<<16+1))
		}, first: cacheBypass, second: cacheBypass},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			b := newCacheBench(t, tt.config)
			b.upstream = tt.upstream
			if tt.request == nil {
				tt.request = func() *plugin.Exchange { return request("/a") }
			}
			b.do(tt.request(), tt.first)
			b.do(tt.request(), tt.second)
			if bypassed := b.count("bypass"); (bypassed == 2) != (tt.first == cacheBypass) {
				t.Errorf("%v bypasses counted", bypassed)
			}
		})
	}
}

func TestProxyCacheKeys(t *testing.T) {
	alice, bob := &entity.Consumer{ID: "alice"}, &entity.Consumer{ID: "bob"}
	by := func(c *entity.Consumer, x *plugin.Exchange) *plugin.Exchange { x.Consumer = c; return x }
	host := func(preserve bool, name string) *plugin.Exchange {
		x := request("/a")
		x.Ctx.Request.Header.SetHost(name)
		x.Route = &entity.Route{ID: "route", PreserveHost: preserve}
		return x
	}
	method := func(m string) *plugin.Exchange { x := request("/a"); x.Ctx.Request.Header.SetMethod(m); return x }
	route := func(id string) *plugin.Exchange { x := request("/a"); x.Route = &entity.Route{ID: id}; return x }
	tests := []struct {
		about  string
		config map[string]any
		a, b   *plugin.Exchange
		same   bool
	}{
		{about: "parameters in another order", a: request("/a?x=1&y=2"), b: request("/a?y=2&x=1"), same: true},
		{about: "another value", a: request("/a?x=1"), b: request("/a?x=2")},
		{about: "values of one name in another order", a: request("/a?x=1&x=2"), b: request("/a?x=2&x=1")},
		{
			about: "a parameter that does not count", config: map[string]any{"vary_query_params": []any{"x"}},
			a: request("/a?x=1&y=2"), b: request("/a?x=1&y=3"), same: true,
		},
		{
			about: "a parameter that counts", config: map[string]any{"vary_query_params": []any{"x"}}, a: request("/a?x=1"),
			b: request("/a?x=2"),
		},
		{about: "parts that run together", a: request("/a?x=1y"), b: request("/a?x1=y")},
		{about: "an encoded slash is none", a: request("/a%2Fb"), b: request("/a/b")},
		{about: "case of the path", a: request("/A"), b: request("/a")},
		{
			about: "case of the path, ignored", config: map[string]any{"ignore_uri_case": true}, a: request("/A"),
			b: request("/a"), same: true,
		},
		{about: "another consumer", a: by(alice, request("/a")), b: by(bob, request("/a"))},
		{
			about: "another consumer, sharing", config: map[string]any{"vary_consumer": false}, a: by(alice, request("/a")),
			b: by(bob, request("/a")), same: true,
		},
		{about: "a header that does not count", a: request("/a", "X-A", "1"), b: request("/a", "X-A", "2"), same: true},
		{
			about: "a header that counts", config: map[string]any{"vary_headers": []any{"X-A"}}, a: request("/a", "X-A", "1"),
			b: request("/a", "X-A", "2"),
		},
		{about: "another route", a: route("r1"), b: route("r2")},
		{about: "HEAD is answered from GET's", a: method("HEAD"), b: method("GET"), same: true},
		{about: "POST is not", a: method("POST"), b: method("GET")},
		{about: "another port, which the upstream does not see", a: host(false, "a:1"), b: host(false, "a:2"), same: true},
		{about: "another port, which the upstream sees", a: host(true, "a:1"), b: host(true, "a:2")},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			p := newCacheBench(t, tt.config).plugin
			if a, b := p.key.of(tt.a), p.key.of(tt.b); (a == b) != tt.same {
				t.Errorf("same key: %t, want %t", a == b, tt.same)
			}
		})
	}
}
