package plugin

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/limit"
	"gatelab/gateway/internal/redisconn"
	"gatelab/internal/testenv"
)

// limitDeps gives what one gateway process has: a limiter, Redis, metrics.
func limitDeps(tb testing.TB) *Deps {
	tb.Helper()
	reg := prometheus.NewRegistry()
	l := limit.New(limit.Config{Timeout: 20 * time.Second}, reg)
	tb.Cleanup(func() { l.Close() })
	r := redisconn.NewRegistry(redisconn.Config{Timeout: 10 * time.Second, DialTimeout: 10 * time.Second}, reg)
	tb.Cleanup(func() { r.Close() })
	return &Deps{Limits: l, Redis: r, Registerer: reg}
}

func mustLimiting(tb testing.TB, d *Deps, name string, config map[string]any) *rateLimiting {
	tb.Helper()
	p, err := limitPlugin(d, name, config)
	if err != nil {
		tb.Fatal(err)
	}
	return p.(*rateLimiting)
}

func limitPlugin(d *Deps, name string, config map[string]any) (Plugin, error) {
	p := &entity.Plugin{ID: "0f0e", Name: name, Config: config}
	if name == "rate-limiting" {
		return newRateLimiting(p, d)
	}
	return newRateLimitingAdvanced(p, d)
}

func limitExchange() *Exchange {
	return &Exchange{Ctx: &fasthttp.RequestCtx{}, Consumer: &entity.Consumer{ID: "alice"}, ClientIP: "10.0.0.1"}
}

// pass sends one request through the plugin, as the chain would.
func pass(p *rateLimiting, x *Exchange) (answered bool) {
	x.Ctx.Response.Reset()
	if answered = p.Access(x); !answered {
		p.Response(x)
	}
	p.Log(x)
	return answered
}

func passes(p *rateLimiting, x *Exchange, n int) (allowed int) {
	for range n {
		if !pass(p, x) {
			allowed++
		}
	}
	return allowed
}

// wire is the response as the client sees it, so that the spelling of header
// names counts.
func wire(x *Exchange) string { return x.Ctx.Response.String() }

func TestRateLimitingTellsTheClient(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"hour": 2.0, "year": 2.0, "error_code": 429.0})
	x := limitExchange()
	if pass(p, x) {
		t.Fatal("the first request was refused")
	}
	for _, want := range []string{
		"X-RateLimit-Limit-Hour: 2\r\n", "X-RateLimit-Remaining-Hour: 1\r\n", "X-RateLimit-Limit-Year: 2\r\n", "X-RateLimit-Remaining-Year: 1\r\n",
		"RateLimit-Limit: 2\r\n", "RateLimit-Remaining: 1\r\n",
	} {
		if !strings.Contains(wire(x), want) {
			t.Errorf("no %q in\n%s", want, wire(x))
		}
	}
	pass(p, x)
	if !pass(p, x) || !x.Limited {
		t.Fatal("the third request passed, or is not marked")
	}
	for _, want := range []string{
		"HTTP/1.1 429 Too Many Requests", `{"message":"API rate limit exceeded"}`, "Content-Type: application/json; charset=utf-8",
		"X-RateLimit-Remaining-Hour: 0\r\n", "RateLimit-Remaining: 0\r\n", "RateLimit-Reset: ", "Retry-After: ",
	} {
		if !strings.Contains(wire(x), want) {
			t.Errorf("no %q in\n%s", want, wire(x))
		}
	}
	if strings.Contains(wire(x), "Retry-After: 0") {
		t.Error("Retry-After: 0")
	}
}

func TestTheTightestWindowIsInTheStandardHeaders(t *testing.T) {
	windows := limit.Calendar([6]int64{0, 0, 5, 9, 0, 5})
	l := limit.New(limit.Config{}, nil)
	defer l.Close()
	r, err := l.Rule(limit.Policy{Windows: windows})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := r.Take("k")
	var h fasthttp.ResponseHeader
	newLimitHeaders(windows).set(&h, &d)
	text := h.String()
	if !strings.Contains(text, "\nRateLimit-Remaining: 4\r") || !strings.Contains(text, fmt.Sprintf("\nRateLimit-Reset: %d\r", d.Reset(2))) {
		t.Errorf("want the year's:\n%s", text)
	}
	if !strings.Contains(text, "X-RateLimit-Remaining-Day: 8") {
		t.Errorf("no day:\n%s", text)
	}
}

func TestTheUpstreamsOwnLimitHeadersAreReplaced(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"year": 2.0})
	x := limitExchange()
	p.Access(x)
	x.Ctx.Response.Header.Set("RateLimit-Limit", "77")
	p.Response(x)
	if n := strings.Count(strings.ToLower(wire(x)), "\nratelimit-limit:"); n != 1 || strings.Contains(wire(x), "Limit: 77") {
		t.Errorf("%d headers:\n%s", n, wire(x))
	}
}

func TestHiddenHeadersStayHidden(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"year": 1.0, "hide_client_headers": true, "error_code": 503.0, "error_message": `no "more"`})
	x := limitExchange()
	for i := range 2 {
		pass(p, x)
		if low := strings.ToLower(wire(x)); strings.Contains(low, "ratelimit") || strings.Contains(low, "retry-after") {
			t.Errorf("request %d:\n%s", i, wire(x))
		}
	}
	if x.Ctx.Response.StatusCode() != 503 || string(x.Ctx.Response.Body()) != `{"message":"no \"more\""}` {
		t.Errorf("%s", wire(x))
	}
}

func TestWhoIsCountedTogether(t *testing.T) {
	alice, bob := &entity.Consumer{ID: "alice"}, &entity.Consumer{ID: "bob"}
	request := func(edit func(*Exchange)) *Exchange {
		x := limitExchange()
		edit(x)
		return x
	}
	header := func(v string) func(*Exchange) {
		return func(x *Exchange) { x.Ctx.Request.Header.Set("X-Who", v) }
	}
	long := strings.Repeat("h", 5000)
	for _, c := range []struct {
		why      string
		config   map[string]any
		a, b     func(*Exchange)
		together bool
	}{
		{"one consumer from two addresses", map[string]any{}, func(x *Exchange) { x.Consumer = alice }, func(x *Exchange) { x.Consumer, x.ClientIP = alice, "10.0.0.2" }, true},
		{"two consumers from one address", map[string]any{}, func(x *Exchange) { x.Consumer = alice }, func(x *Exchange) { x.Consumer = bob }, false},
		{"a credential without a consumer", map[string]any{}, func(x *Exchange) { x.Consumer, x.CredentialID = nil, "c1" }, func(x *Exchange) { x.Consumer, x.CredentialID = nil, "c2" }, false},
		{"anonymous ones by address", map[string]any{}, func(x *Exchange) { x.Consumer = nil }, func(x *Exchange) { x.Consumer, x.ClientIP = nil, "10.0.0.2" }, false},
		{"by address, whoever it is", map[string]any{"limit_by": "ip"}, func(x *Exchange) { x.Consumer = alice }, func(x *Exchange) { x.Consumer = bob }, true},
		{"two credentials of one consumer", map[string]any{"limit_by": "credential"}, func(x *Exchange) { x.CredentialID = "c1" }, func(x *Exchange) { x.CredentialID = "c2" }, false},
		{"two consumers of one service", map[string]any{"limit_by": "service"}, func(x *Exchange) { x.Consumer, x.Service = alice, &entity.Service{ID: "s"} }, func(x *Exchange) { x.Consumer, x.Service = bob, &entity.Service{ID: "s"} }, true},
		{"two values of a header", map[string]any{"limit_by": "header", "header_name": "x-who"}, header("a"), header("b"), false},
		{"one value of a header", map[string]any{"limit_by": "header", "header_name": "x-who"}, header("a"), header("a"), true},
		{"a header that looks like an address", map[string]any{"limit_by": "header", "header_name": "x-who"}, header("10.0.0.1"), func(*Exchange) {}, false},
		{"long values that differ at the end", map[string]any{"limit_by": "header", "header_name": "x-who"}, header(long + "a"), header(long + "b"), false},
		{"the path, from two addresses", map[string]any{"limit_by": "path", "path": "/p"}, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/p?a") }, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/p?b"); x.ClientIP = "10.0.0.2" }, true},
		{"the path in another spelling", map[string]any{"limit_by": "path", "path": "/a/p"}, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/a/p") }, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/a/./%70"); x.ClientIP = "10.0.0.2" }, true},
		{"a path with an encoded slash", map[string]any{"limit_by": "path", "path": "/a/p"}, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/a/p") }, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/a%2Fp"); x.ClientIP = "10.0.0.2" }, false},
		{"another path, by address", map[string]any{"limit_by": "path", "path": "/p"}, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/q") }, func(x *Exchange) { x.Ctx.Request.SetRequestURI("/q"); x.ClientIP = "10.0.0.2" }, false},
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

// redisAt splits the test Redis' address the way a configuration has it.
func redisAt(tb testing.TB, addr string) (host string, port float64) {
	tb.Helper()
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatal(err)
	}
	return host, float64(n)
}

func TestReplicasShareTheLimitInRedis(t *testing.T) {
	host, port := redisAt(t, testenv.Redis(t))
	for _, c := range []struct {
		why, name string
		config    map[string]any
		want      int // of 10 at each of two replicas
	}{
		{"redis given nested", "rate-limiting", map[string]any{"redis": map[string]any{"host": host, "port": port}, "policy": "redis", "year": 7.0}, 7},
		{"redis given flat", "rate-limiting", map[string]any{"redis_host": host, "redis_port": port, "redis_database": 1.0, "policy": "redis", "year": 7.0}, 7},
		{"-1 is synchronous in rate-limiting", "rate-limiting", map[string]any{"redis_host": host, "redis_port": port, "redis_database": 2.0, "policy": "redis", "year": 7.0, "sync_rate": -1.0}, 7},
		{"policy local shares nothing", "rate-limiting", map[string]any{"policy": "local", "year": 7.0}, 14},
		{"advanced, sliding, synchronous", "rate-limiting-advanced", map[string]any{"redis": map[string]any{"host": host, "port": port, "database": 3.0}, "strategy": "redis", "sync_rate": 0.0, "limit": []any{7.0}, "window_size": []any{86400000.0}, "namespace": "n"}, 7},
		{"advanced, fixed, synchronous", "rate-limiting-advanced", map[string]any{"redis": map[string]any{"host": host, "port": port, "database": 4.0}, "strategy": "redis", "sync_rate": 0.0, "window_type": "fixed", "limit": []any{7.0, 9.0}, "window_size": []any{86400000.0, 86400001.0}}, 7},
		{"advanced, never synchronised", "rate-limiting-advanced", map[string]any{"redis": map[string]any{"host": host, "port": port}, "strategy": "redis", "sync_rate": -1.0, "limit": []any{7.0}, "window_size": []any{86400000.0}}, 14},
		{"advanced, local", "rate-limiting-advanced", map[string]any{"sync_rate": -1.0, "limit": []any{7.0}, "window_size": []any{86400000.0}, "identifier": "consumer"}, 14},
	} {
		a := mustLimiting(t, limitDeps(t), c.name, c.config)
		b := mustLimiting(t, limitDeps(t), c.name, c.config)
		if n := passes(a, limitExchange(), 10) + passes(b, limitExchange(), 10); n != c.want {
			t.Errorf("%s: %d passed at two replicas, want %d", c.why, n, c.want)
		}
	}
}

// outcomes reads the plugin's counters.
func outcomes(p *rateLimiting) string {
	read := func(c counter) int { return int(testutil.ToFloat64(c.(prometheus.Counter))) }
	return fmt.Sprintf("allowed %d limited %d open %d closed %d", read(p.allowed), read(p.limited), read(p.failedOpen), read(p.failedClosed))
}

func TestWithoutRedis(t *testing.T) {
	down := map[string]any{"host": "127.0.0.1", "port": 1.0}
	for _, c := range []struct {
		why, name string
		config    map[string]any
		passed    int // of 5
		status    int // of the last
		outcomes  string
	}{
		{"fault tolerant by default", "rate-limiting", map[string]any{"policy": "redis", "redis": down, "year": 2.0}, 5, 200, "allowed 0 limited 0 open 5 closed 0"},
		{"fault tolerant", "rate-limiting", map[string]any{"policy": "redis", "redis": down, "year": 2.0, "fault_tolerant": true}, 5, 200, "allowed 0 limited 0 open 5 closed 0"},
		{"not tolerant", "rate-limiting", map[string]any{"policy": "redis", "redis": down, "year": 2.0, "fault_tolerant": false}, 0, 500, "allowed 0 limited 0 open 0 closed 5"},
		{"advanced counts for itself", "rate-limiting-advanced", map[string]any{"strategy": "redis", "redis": down, "sync_rate": 0.0, "limit": []any{2.0}, "window_size": []any{86400000.0}}, 2, 429, "allowed 0 limited 3 open 2 closed 0"},
	} {
		p := mustLimiting(t, limitDeps(t), c.name, c.config)
		x := limitExchange()
		if n := passes(p, x, 5); n != c.passed || x.Ctx.Response.StatusCode() != c.status {
			t.Errorf("%s: %d passed, last %d; want %d, %d", c.why, n, x.Ctx.Response.StatusCode(), c.passed, c.status)
		}
		if got := outcomes(p); got != c.outcomes {
			t.Errorf("%s: %s, want %s", c.why, got, c.outcomes)
		}
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
		{"rate-limiting", map[string]any{}, "rate-limiting: 0 windows"},
		{"rate-limiting", map[string]any{"year": "many"}, "rate-limiting config: "},
		{"rate-limiting", map[string]any{"year": 1.0, "policy": "cluster"}, `rate-limiting: policy "cluster": want local or redis`},
		{"rate-limiting", map[string]any{"year": 1.0, "policy": "redis"}, "rate-limiting: redis.host is missing"},
		{"rate-limiting", map[string]any{"year": 1.0, "limit_by": "header"}, "rate-limiting: limit by header: header_name is missing"},
		{"rate-limiting", map[string]any{"year": 1.0, "limit_by": "path"}, "rate-limiting: limit by path: path is missing"},
		{"rate-limiting", map[string]any{"year": 1.0, "limit_by": "moon"}, `rate-limiting: limit by "moon": want consumer,`},
		{"rate-limiting-advanced", map[string]any{"limit": []any{1.0}, "window_size": []any{}}, "rate-limiting-advanced: 1 limits for 0 window sizes"},
		{"rate-limiting-advanced", map[string]any{"limit": []any{1.0}, "window_size": []any{0.0}}, "rate-limiting-advanced: window of 0s: want whole seconds"},
	} {
		if _, err := limitPlugin(limitDeps(t), c.name, c.config); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.config, err, c.want)
		}
	}
}

func TestRetryAfterJitter(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting-advanced", map[string]any{"limit": []any{1.0}, "window_size": []any{86400000.0}, "window_type": "fixed", "retry_after_jitter_max": 1e6})
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
		{"allowed", map[string]any{"minute": 1e12, "hour": 1e12}},
		{"refused", map[string]any{"year": 1.0}},
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
