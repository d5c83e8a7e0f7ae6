package plugin

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/cache"
	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/redisconn"
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
	p, err := newProxyCache(&entity.Plugin{ID: "0c", Name: "proxy-cache", Config: config}, &Deps{Cache: store})
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

func request(target string, fields ...string) *Exchange {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.SetRequestURI(target)
	ctx.Request.Header.SetHost("gateway")
	for i := 0; i < len(fields); i += 2 {
		ctx.Request.Header.Add(fields[i], fields[i+1])
	}
	return &Exchange{Ctx: ctx, Route: &entity.Route{ID: "route"}}
}

// do sends one request through, as the chain would, and checks X-Cache-Status.
func (b *cacheBench) do(x *Exchange, status string) *fasthttp.Response {
	b.tb.Helper()
	if !b.plugin.Access(x) {
		b.asked++
		b.upstream(x.Ctx)
		x.Proxied = true
		b.plugin.Response(x)
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
	tests := []struct {
		about    string
		config   map[string]any
		request  func() *Exchange
		upstream func(*fasthttp.RequestCtx)
		first    string
		second   string
	}{
		{"a charset does not matter", follow, nil, respond(200, "application/json; charset=utf-8"), cacheMiss, cacheHit},
		{"unless the operator names one", map[string]any{"content_type": []any{"application/json; charset=latin1"}}, nil, respond(200, "application/json; charset=utf-8"), cacheBypass, cacheBypass},
		{"types with a star", map[string]any{"content_type": []any{"text/*"}}, nil, respond(200, "text/html"), cacheMiss, cacheHit},
		{"another type", follow, nil, respond(200, "text/html"), cacheBypass, cacheBypass},
		{"no type", follow, nil, respond(200, ""), cacheBypass, cacheBypass},
		{"a status that is listed", follow, nil, respond(404, "application/json"), cacheMiss, cacheHit},
		{"a status that is not", follow, nil, respond(201, "application/json"), cacheBypass, cacheBypass},
		{"explicit freshness without cache_ttl's help", follow, nil, respond(200, "application/json", "Cache-Control", "max-age=5"), cacheMiss, cacheHit},
		{"no-store from the upstream", follow, nil, respond(200, "application/json", "Cache-Control", "no-store"), cacheBypass, cacheBypass},
		{"no-store from the upstream that is not followed", nil, nil, respond(200, "application/json", "Cache-Control", "no-store"), cacheMiss, cacheHit},
		{"no-cache from the client", follow, func() *Exchange { return request("/a", "Cache-Control", "no-cache") }, respond(200, "application/json"), cacheBypass, cacheBypass},
		{"no-cache from the client that is not followed", nil, func() *Exchange { return request("/a", "Cache-Control", "no-cache") }, respond(200, "application/json"), cacheMiss, cacheHit},
		{"a method that is not listed", follow, func() *Exchange { x := request("/a"); x.Ctx.Request.Header.SetMethod("POST"); return x }, respond(200, "application/json"), cacheBypass, cacheBypass},
		{"Authorization", follow, func() *Exchange { return request("/a", "Authorization", "Bearer t") }, respond(200, "application/json"), cacheBypass, cacheBypass},
		{"an answer that is too long", nil, nil, func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain")
			ctx.SetBody(make([]byte, 1<<16+1))
		}, cacheBypass, cacheBypass},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			b := newCacheBench(t, tt.config)
			b.upstream = tt.upstream
			if tt.request == nil {
				tt.request = func() *Exchange { return request("/a") }
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
	by := func(c *entity.Consumer, x *Exchange) *Exchange { x.Consumer = c; return x }
	host := func(preserve bool, name string) *Exchange {
		x := request("/a")
		x.Ctx.Request.Header.SetHost(name)
		x.Route = &entity.Route{ID: "route", PreserveHost: preserve}
		return x
	}
	method := func(m string) *Exchange { x := request("/a"); x.Ctx.Request.Header.SetMethod(m); return x }
	route := func(id string) *Exchange { x := request("/a"); x.Route = &entity.Route{ID: id}; return x }
	tests := []struct {
		about  string
		config map[string]any
		a, b   *Exchange
		same   bool
	}{
		{"parameters in another order", nil, request("/a?x=1&y=2"), request("/a?y=2&x=1"), true},
		{"another value", nil, request("/a?x=1"), request("/a?x=2"), false},
		{"values of one name in another order", nil, request("/a?x=1&x=2"), request("/a?x=2&x=1"), false},
		{"a parameter that does not count", map[string]any{"vary_query_params": []any{"x"}}, request("/a?x=1&y=2"), request("/a?x=1&y=3"), true},
		{"a parameter that counts", map[string]any{"vary_query_params": []any{"x"}}, request("/a?x=1"), request("/a?x=2"), false},
		{"parts that run together", nil, request("/a?x=1y"), request("/a?x1=y"), false},
		{"an encoded slash is none", nil, request("/a%2Fb"), request("/a/b"), false},
		{"case of the path", nil, request("/A"), request("/a"), false},
		{"case of the path, ignored", map[string]any{"ignore_uri_case": true}, request("/A"), request("/a"), true},
		{"another consumer", nil, by(alice, request("/a")), by(bob, request("/a")), false},
		{"another consumer, sharing", map[string]any{"vary_consumer": false}, by(alice, request("/a")), by(bob, request("/a")), true},
		{"a header that does not count", nil, request("/a", "X-A", "1"), request("/a", "X-A", "2"), true},
		{"a header that counts", map[string]any{"vary_headers": []any{"X-A"}}, request("/a", "X-A", "1"), request("/a", "X-A", "2"), false},
		{"another route", nil, route("r1"), route("r2"), false},
		{"HEAD is answered from GET's", nil, method("HEAD"), method("GET"), true},
		{"POST is not", nil, method("POST"), method("GET"), false},
		{"another port, which the upstream does not see", nil, host(false, "a:1"), host(false, "a:2"), true},
		{"another port, which the upstream sees", nil, host(true, "a:1"), host(true, "a:2"), false},
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

func TestProxyCacheRequestDirectives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, map[string]any{"cache_control": true, "cache_ttl": 10.0, "storage_ttl": 100.0})
		only := b.do(request("/a", "Cache-Control", "only-if-cached"), cacheMiss)
		if only.StatusCode() != 504 || b.asked != 0 {
			t.Errorf("only-if-cached on a miss: %d, upstream asked %d times", only.StatusCode(), b.asked)
		}
		b.do(request("/a"), cacheMiss)
		b.do(request("/a", "Cache-Control", "only-if-cached"), cacheHit)
		time.Sleep(5 * time.Second)
		b.do(request("/a", "Cache-Control", "max-age=5"), cacheHit)
		b.do(request("/a", "Cache-Control", "min-fresh=8"), cacheRefresh)
		time.Sleep(12 * time.Second)
		b.do(request("/a", "Cache-Control", "max-stale=5"), cacheStale)
		b.do(request("/a"), cacheRefresh)
		b.do(request("/a"), cacheHit)
		if n := b.count("stale"); n != 1 {
			t.Errorf("%v stale counted", n)
		}
	})
}

func TestProxyCacheConditions(t *testing.T) {
	const modified = "Tue, 14 Nov 2023 22:13:20 GMT"
	b := newCacheBench(t, nil)
	b.answers("hello", "ETag", `"v1"`, "Last-Modified", modified)
	asked := ""
	inner := b.upstream
	b.upstream = func(ctx *fasthttp.RequestCtx) {
		asked += string(ctx.Request.Header.Peek("If-None-Match")) + string(ctx.Request.Header.Peek("If-Modified-Since"))
		inner(ctx)
	}
	r := b.do(request("/a", "If-None-Match", `"v1"`), cacheMiss)
	if r.StatusCode() != 304 || len(r.Body()) != 0 || asked != "" {
		t.Errorf("a condition on a miss: %d with %q; the upstream was asked %q", r.StatusCode(), r.Body(), asked)
	}
	for _, tt := range []struct {
		about, name, value string
		status             int
	}{
		{"the same tag", "If-None-Match", `"v1"`, 304},
		{"weakly the same", "If-None-Match", `W/"v1"`, 304},
		{"one of several", "If-None-Match", `"a,b", "v1"`, 304},
		{"any", "If-None-Match", `*`, 304},
		{"another", "If-None-Match", `"v2"`, 200},
		{"not a tag", "If-None-Match", `v1`, 200},
		{"not modified since", "If-Modified-Since", modified, 304},
		{"modified since", "If-Modified-Since", "Tue, 14 Nov 2023 22:13:19 GMT", 200},
	} {
		t.Run(tt.about, func(t *testing.T) {
			b.tb = t
			r := b.do(request("/a", tt.name, tt.value), cacheHit)
			if r.StatusCode() != tt.status || (len(r.Body()) == 0) != (tt.status == 304) {
				t.Errorf("%d with %q, want %d", r.StatusCode(), r.Body(), tt.status)
			}
			if string(r.Header.Peek("ETag")) != `"v1"` {
				t.Error("no ETag")
			}
		})
	}
	b.tb = t
	head := request("/a")
	head.Ctx.Request.Header.SetMethod("HEAD")
	if r := b.do(head, cacheHit); string(r.Body()) != "hello" { // fasthttp sends its length and not the body
		t.Errorf("HEAD: %q", r.Body())
	}
	cold := request("/cold")
	cold.Ctx.Request.Header.SetMethod("HEAD")
	b.do(cold, cacheMiss)
	b.do(request("/cold"), cacheMiss) // what HEAD brought is no body to store
}

func TestProxyCacheRevalidates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, map[string]any{"cache_control": true, "storage_ttl": 1000.0})
		b.answers("hello", "ETag", `"v1"`, "Cache-Control", "max-age=10", "X-Own", "old")
		b.do(request("/a"), cacheMiss)
		time.Sleep(11 * time.Second)
		b.upstream = func(ctx *fasthttp.RequestCtx) {
			if got := string(ctx.Request.Header.Peek("If-None-Match")); got != `"v1"` {
				t.Errorf("the upstream was asked with %q", got)
			}
			ctx.SetStatusCode(304)
			ctx.Response.Header.Set("Cache-Control", "max-age=20")
			ctx.Response.Header.Set("ETag", `"v1"`)
			ctx.Response.Header.Set("X-Own", "new")
		}
		r := b.do(request("/a"), cacheRefresh)
		if r.StatusCode() != 200 || string(r.Body()) != "hello" || string(r.Header.Peek("X-Own")) != "new" ||
			string(r.Header.ContentType()) != "application/json; charset=utf-8" {
			t.Errorf("renewed: %s %q", &r.Header, r.Body())
		}
		time.Sleep(15 * time.Second)
		r = b.do(request("/a"), cacheHit)
		if string(r.Body()) != "hello" || string(r.Header.Peek("Age")) != "15" {
			t.Errorf("after it was renewed: %s %q", &r.Header, r.Body())
		}
	})
}

func TestProxyCacheStaleIfError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, map[string]any{"cache_control": true})
		b.answers("hello", "Cache-Control", "max-age=10, stale-if-error=60")
		b.do(request("/a"), cacheMiss)
		time.Sleep(11 * time.Second)
		b.upstream = func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(503)
			ctx.Response.Header.Set("Retry-After", "9")
			ctx.SetBodyString("down")
		}
		r := b.do(request("/a"), cacheStale)
		if r.StatusCode() != 200 || string(r.Body()) != "hello" || len(r.Header.Peek("Retry-After")) > 0 {
			t.Errorf("got %s %q", &r.Header, r.Body())
		}
		time.Sleep(60 * time.Second)
		if r := b.do(request("/a"), cacheBypass); r.StatusCode() != 503 {
			t.Errorf("staler than allowed: %d", r.StatusCode())
		}
	})
}

// broken fails after its text.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("reset by peer")
	}
	return n, err
}

func TestProxyCacheStreams(t *testing.T) {
	long := strings.Repeat("x", 1<<16+1)
	tests := []struct {
		about  string
		stream func() (io.Reader, int)
		first  string
		cached bool
	}{
		{"of known length", func() (io.Reader, int) { return strings.NewReader("hello"), 5 }, cacheMiss, true},
		{"until its end", func() (io.Reader, int) { return strings.NewReader("hello"), -1 }, cacheMiss, true},
		{"that breaks", func() (io.Reader, int) { return broken{strings.NewReader("hello")}, -1 }, cacheMiss, false},
		{"shorter than it said", func() (io.Reader, int) { return strings.NewReader("hell"), 5 }, cacheMiss, false},
		{"known to be too long", func() (io.Reader, int) { return strings.NewReader(long), len(long) }, cacheBypass, false},
		{"found to be too long", func() (io.Reader, int) { return strings.NewReader(long), -1 }, cacheMiss, false},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			b := newCacheBench(t, nil)
			b.upstream = func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType("text/plain")
				s, size := tt.stream()
				ctx.Response.SetBodyStream(s, size)
			}
			b.do(request("/a"), tt.first)
			x := request("/a")
			hit := b.plugin.Access(x)
			if hit != tt.cached {
				t.Fatalf("cached: %t", hit)
			}
			if hit && string(x.Ctx.Response.Body()) != "hello" {
				t.Errorf("body %q", x.Ctx.Response.Body())
			}
			b.plugin.Log(x)
		})
	}
}

func TestProxyCacheSimultaneousMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, nil)
		leader := request("/a")
		if b.plugin.Access(leader) {
			t.Fatal("a hit in an empty cache")
		}
		answers := make(chan bool, 3)
		for range 3 {
			go func() { answers <- b.plugin.Access(request("/a")) }()
		}
		synctest.Wait()
		b.upstream(leader.Ctx)
		leader.Proxied = true
		b.plugin.Response(leader)
		b.plugin.Log(leader)
		for range 3 {
			if !<-answers {
				t.Error("a follower went to the upstream")
			}
		}
		if n := b.count("coalesced"); n != 3 {
			t.Errorf("%v coalesced counted", n)
		}
	})
}

func TestProxyCacheLostLeader(t *testing.T) {
	for status, replaced := range map[int]int{200: 1, 499: 1, 502: 3} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newCacheBench(t, nil)
				leader := request("/a")
				b.plugin.Access(leader)
				gone := make(chan *Exchange, 3)
				for range 3 {
					go func() {
						x := request("/a")
						b.plugin.Access(x)
						gone <- x
					}()
				}
				synctest.Wait()
				leader.Ctx.SetStatusCode(status) // the upstream or the client was lost
				if status >= 400 {
					b.plugin.Response(leader)
				}
				b.plugin.Log(leader)
				synctest.Wait()
				if len(gone) != replaced {
					t.Errorf("%d went to the upstream in its place, want %d", len(gone), replaced)
				}
				for range 3 {
					x := <-gone
					x.Ctx.SetStatusCode(502)
					b.plugin.Log(x)
				}
			})
		})
	}
}

func TestProxyCacheKeepsUpstreamsAnswersOnly(t *testing.T) {
	b := newCacheBench(t, nil)
	x := request("/a")
	b.plugin.Access(x)
	b.upstream(x.Ctx) // as another plugin would answer, later in the chain
	b.plugin.Response(x)
	b.plugin.Log(x)
	b.do(request("/a"), cacheMiss)
}

func TestProxyCacheConfig(t *testing.T) {
	store, err := cache.New(cache.Config{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	registry := redisconn.NewRegistry(redisconn.Config{}, nil)
	defer registry.Close()
	deps := &Deps{Cache: store, Redis: registry}
	for _, tt := range []struct {
		about  string
		config map[string]any
		deps   *Deps
		want   string
	}{
		{"redis without a host", map[string]any{"strategy": "redis"}, deps, "redis.host is missing"},
		{"an unknown strategy", map[string]any{"strategy": "disk"}, deps, `strategy "disk": want memory or redis`},
		{"a type that is none", map[string]any{"content_type": []any{"/"}}, deps, `content_type "/"`},
		{"no cache", nil, &Deps{}, "no cache"},
		{"redis as Kong's schema stores it", map[string]any{"strategy": "redis", "redis": map[string]any{"host": "127.0.0.1", "port": 1, "password": nil, "timeout": 2000},
			"memory": map[string]any{"dictionary_name": "kong_db_cache"}, "storage_ttl": nil, "cache_ttl": 300}, deps, ""},
	} {
		t.Run(tt.about, func(t *testing.T) {
			_, err := newProxyCache(&entity.Plugin{Name: "proxy-cache", Config: tt.config}, tt.deps)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProxyCacheHitIsLight(t *testing.T) {
	b := newCacheBench(t, nil)
	b.do(request("/a?x=1&y=2"), cacheMiss)
	x := request("/a?x=1&y=2")
	b.plugin.Access(x)
	n := testing.AllocsPerRun(200, func() {
		x.Ctx.Response.Reset()
		if !b.plugin.Access(x) {
			t.Fatal("no hit")
		}
	})
	if n > 2 {
		t.Errorf("%v allocations a hit, want at most 2", n)
	}
	if problems, err := testutil.GatherAndLint(b.metrics); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func BenchmarkProxyCacheHit(b *testing.B) {
	bench := newCacheBench(b, nil)
	bench.answers(strings.Repeat("x", 1024), "ETag", `"v1"`, "Cache-Control", "max-age=60", "X-Origin-Body", "0123456789abcdef")
	bench.do(request("/ai/v1/models/42?verbose=1"), cacheMiss)
	x := request("/ai/v1/models/42?verbose=1")
	b.ReportAllocs()
	for b.Loop() {
		x.Ctx.Response.Reset()
		if !bench.plugin.Access(x) {
			b.Fatal("no hit")
		}
	}
}

func FuzzEntityTagList(f *testing.F) {
	for _, s := range []string{`"v1"`, `W/"a", "b"`, `*`, `"`, `,,`, `"a,b"`, "W/"} {
		f.Add([]byte(s), `"v1"`)
	}
	f.Fuzz(func(t *testing.T, list []byte, tag string) {
		if listsTag(list, tag) && !bytes.Contains(list, []byte(tag)) {
			t.Errorf("%q was found in %q", tag, list)
		}
	})
}
