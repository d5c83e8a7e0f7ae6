package ratelimiting

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// limitDeps gives what one gateway process has: a limiter, Redis, metrics.
func limitDeps(tb testing.TB) *plugin.Deps {
	tb.Helper()
	reg := prometheus.NewRegistry()
	l := limit.New(limit.Config{Timeout: 20 * time.Second}, reg)
	tb.Cleanup(func() { l.Close() })
	r := redisconn.NewRegistry(redisconn.Config{Timeout: 10 * time.Second, DialTimeout: 10 * time.Second}, reg)
	tb.Cleanup(func() { r.Close() })
	return &plugin.Deps{Limits: l, Redis: r, Registerer: reg}
}

func mustLimiting(tb testing.TB, d *plugin.Deps, name string, config map[string]any) *rateLimiting {
	tb.Helper()
	p, err := limitPlugin(d, name, config)
	if err != nil {
		tb.Fatal(err)
	}
	return p.(*rateLimiting)
}

func limitPlugin(d *plugin.Deps, name string, config map[string]any) (plugin.Plugin, error) {
	p := &entity.Plugin{ID: "0f0e", Name: name, Config: config}
	if name == "rate-limiting" {
		return newPlain(p, d)
	}
	return newAdvanced(p, d)
}

func limitExchange() *plugin.Exchange {
	return &plugin.Exchange{Ctx: &fasthttp.RequestCtx{}, Consumer: &entity.Consumer{ID: "alice"}, ClientIP: "10.0.0.1"}
}

// pass sends one request through the plugin, as the chain would.
func pass(p *rateLimiting, x *plugin.Exchange) (answered bool) {
	x.Ctx.Response.Reset()
	if answered = p.Access(x); !answered {
		p.HeaderFilter(x)
	}
	p.Log(x)
	return answered
}

func passes(p *rateLimiting, x *plugin.Exchange, n int) (allowed int) {
	for range n {
		if !pass(p, x) {
			allowed++
		}
	}
	return allowed
}

// wire is the response as the client sees it, so that the spelling of header
// names counts.
func wire(x *plugin.Exchange) string { return x.Ctx.Response.String() }

func TestWhoIsCountedTogether(t *testing.T) {
	alice, bob := &entity.Consumer{ID: "alice"}, &entity.Consumer{ID: "bob"}
	request := func(edit func(*plugin.Exchange)) *plugin.Exchange {
		x := limitExchange()
		edit(x)
		return x
	}
	header := func(v string) func(*plugin.Exchange) {
		return func(x *plugin.Exchange) { x.Ctx.Request.Header.Set("X-Who", v) }
	}
	long := strings.Repeat("h", 5000)
	for _, c := range []struct {
		why      string
		config   map[string]any
		a, b     func(*plugin.Exchange)
		together bool
	}{
		{
			why: "one consumer from two addresses", config: map[string]any{}, a: func(x *plugin.Exchange) { x.Consumer = alice },
			b: func(x *plugin.Exchange) { x.Consumer, x.ClientIP = alice, "10.0.0.2" }, together: true,
		},
		{
			why: "two consumers from one address", config: map[string]any{}, a: func(x *plugin.Exchange) { x.Consumer = alice },
			b: func(x *plugin.Exchange) { x.Consumer = bob },
		},
		{
			why: "a credential without a consumer", config: map[string]any{},
			a: func(x *plugin.Exchange) { x.Consumer, x.CredentialID = nil, "c1" },
			b: func(x *plugin.Exchange) { x.Consumer, x.CredentialID = nil, "c2" },
		},
		{
			why: "anonymous ones by address", config: map[string]any{}, a: func(x *plugin.Exchange) { x.Consumer = nil },
			b: func(x *plugin.Exchange) { x.Consumer, x.ClientIP = nil, "10.0.0.2" },
		},
		{
			why: "by address, whoever it is", config: map[string]any{"limit_by": "ip"},
			a: func(x *plugin.Exchange) { x.Consumer = alice }, b: func(x *plugin.Exchange) { x.Consumer = bob }, together: true,
		},
		{
			why: "two credentials of one consumer", config: map[string]any{"limit_by": "credential"},
			a: func(x *plugin.Exchange) { x.CredentialID = "c1" }, b: func(x *plugin.Exchange) { x.CredentialID = "c2" },
		},
		{
			why: "two consumers of one service", config: map[string]any{"limit_by": "service"},
			a: func(x *plugin.Exchange) { x.Consumer, x.Service = alice, &entity.Service{ID: "s"} },
			b: func(x *plugin.Exchange) { x.Consumer, x.Service = bob, &entity.Service{ID: "s"} }, together: true,
		},
		{
			why: "two values of a header", config: map[string]any{"limit_by": "header", "header_name": "x-who"}, a: header("a"),
			b: header("b"),
		},
		{
			why: "one value of a header", config: map[string]any{"limit_by": "header", "header_name": "x-who"}, a: header("a"),
			b: header("a"), together: true,
		},
		{
			why: "a header that looks like an address", config: map[string]any{"limit_by": "header", "header_name": "x-who"},
			a: header("10.0.0.1"), b: func(*plugin.Exchange) {},
		},
		{
			why: "long values that differ at the end", config: map[string]any{"limit_by": "header", "header_name": "x-who"},
			a: header(long + "a"), b: header(long + "b"),
		},
		{
			why: "the path, from two addresses", config: map[string]any{"limit_by": "path", "path": "/p"},
			a: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/p?a") },
			b: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/p?b"); x.ClientIP = "10.0.0.2" }, together: true,
		},
		{
			why: "the path in another spelling", config: map[string]any{"limit_by": "path", "path": "/a/p"},
			a: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/a/p") },
			b: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/a/./%70"); x.ClientIP = "10.0.0.2" }, together: true,
		},
		{
			why: "a path with an encoded slash", config: map[string]any{"limit_by": "path", "path": "/a/p"},
			a: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/a/p") },
			b: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/a%2Fp"); x.ClientIP = "10.0.0.2" },
		},
		{
			why: "another path, by address", config: map[string]any{"limit_by": "path", "path": "/p"},
			a: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/q") },
			b: func(x *plugin.Exchange) { x.Ctx.Request.SetRequestURI("/q"); x.ClientIP = "10.0.0.2" },
		},
	} {
		c.config["year"] = 1.0
		p := mustLimiting(t, limitDeps(t), "rate-limiting", c.config)
		if pass(p, request(c.a)) {
			t.Errorf("%s: the first was refused", c.why)
		}
		if refused := pass(p, request(c.b)); refused != c.together {
			t.Errorf("%s: counted together %t, want %t", c.why, refused, c.together)
		}
	}
}

func TestLongKeysAreKeptAsADigest(t *testing.T) {
	x := limitExchange()
	x.Ctx.Request.Header.Set("X-Who", strings.Repeat("h", 9000))
	id, err := newIdentifier("header", "X-Who", "")
	if err != nil {
		t.Fatal(err)
	}
	if key, known := id.key(x); len(key) != 64 || !known {
		t.Errorf("a key of %d bytes", len(key))
	}
}

func TestAReloadKeepsCountsAndCounters(t *testing.T) {
	d := limitDeps(t)
	config := map[string]any{"year": 3.0}
	passes(mustLimiting(t, d, "rate-limiting", config), limitExchange(), 2)
	p := mustLimiting(t, d, "rate-limiting", config)
	if n := passes(p, limitExchange(), 5); n != 1 {
		t.Errorf("%d passed after a reload, want 1", n)
	}
	if got, want := outcomes(p), "allowed 3 limited 4 open 0 closed 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBadLimitConfigurations(t *testing.T) {
	for _, c := range []struct {
		name   string
		config map[string]any
		want   string
	}{
		{name: "rate-limiting", config: map[string]any{}, want: "rate-limiting: 0 windows"},
		{name: "rate-limiting", config: map[string]any{"year": "many"}, want: "rate-limiting config: "},
		{
			name: "rate-limiting", config: map[string]any{"year": 1.0, "policy": "moon"},
			want: `rate-limiting: policy "moon": want local, redis, leased or cluster`,
		},
		{name: "rate-limiting", config: map[string]any{"year": 1.0, "policy": "redis"}, want: "rate-limiting: redis.host is missing"},
		{
			name: "rate-limiting", config: map[string]any{"year": 1.0, "limit_by": "header"},
			want: "rate-limiting: limit by header: header_name is missing",
		},
		{
			name: "rate-limiting", config: map[string]any{"year": 1.0, "limit_by": "path"},
			want: "rate-limiting: limit by path: path is missing",
		},
		{
			name: "rate-limiting", config: map[string]any{"year": 1.0, "limit_by": "moon"},
			want: `rate-limiting: limit by "moon": want consumer,`,
		},
		{
			name: "rate-limiting-advanced", config: map[string]any{"limit": []any{1.0}, "window_size": []any{}},
			want: "rate-limiting-advanced: 1 limits for 0 window sizes",
		},
		{
			name: "rate-limiting-advanced", config: map[string]any{"limit": []any{1.0}, "window_size": []any{0.0}},
			want: "rate-limiting-advanced: window of 0s: want whole seconds",
		},
	} {
		if _, err := limitPlugin(limitDeps(t), c.name, c.config); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.config, err, c.want)
		}
	}
}

func TestRetryAfterJitter(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting-advanced",
		map[string]any{"limit": []any{1.0}, "window_size": []any{86400000.0}, "window_type": "fixed", "retry_after_jitter_max": 1e6})
	x := limitExchange()
	pass(p, x)
	seen := map[string]bool{}
	for range 20 {
		pass(p, x)
		_, after, _ := strings.Cut(wire(x), "Retry-After: ")
		after, _, _ = strings.Cut(after, "\r\n")
		seen[after] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d different values in 20 answers", len(seen))
	}
}

func TestLimitingDoesNotAllocate(t *testing.T) {
	for _, config := range []map[string]any{
		{"minute": 1e12, "hour": 1e12},
		{"year": 1.0},
		{"minute": 1e12, "limit_by": "header", "header_name": "X-Who"},
	} {
		p := mustLimiting(t, limitDeps(t), "rate-limiting", config)
		x := limitExchange()
		x.Ctx.Request.Header.Set("X-Who", "me")
		passes(p, x, 3)
		if n := testing.AllocsPerRun(200, func() { pass(p, x) }); n != 0 {
			t.Errorf("%v: %v allocations", config, n)
		}
	}
}

func BenchmarkRateLimiting(b *testing.B) {
	for _, c := range []struct {
		name   string
		config map[string]any
	}{
		{name: "allowed", config: map[string]any{"minute": 1e12, "hour": 1e12}},
		{name: "refused", config: map[string]any{"year": 1.0}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := mustLimiting(b, limitDeps(b), "rate-limiting", c.config)
			x := limitExchange()
			b.ReportAllocs()
			for b.Loop() {
				pass(p, x)
			}
		})
	}
}
