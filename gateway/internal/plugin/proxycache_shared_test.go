package plugin

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/entity"
)

func TestProxyCacheKeepsCallersApart(t *testing.T) {
	follow := map[string]any{"cache_control": true}
	as := func(who string) *Exchange { return request("/a", "Authorization", who) }
	for _, c := range []struct {
		about   string
		config  map[string]any
		control string
		a, b    *Exchange
		first   string
		second  string
	}{
		{"two callers by default", nil, "", as("alice"), as("bob"), cacheMiss, cacheMiss},
		{"one caller by default", nil, "", as("alice"), as("alice"), cacheMiss, cacheHit},
		{"a caller and nobody by default", nil, "", as("alice"), request("/a"), cacheMiss, cacheMiss},
		{"private by default", nil, "private, max-age=60", request("/a"), request("/a"), cacheBypass, cacheBypass},
		{"a caller, Cache-Control followed", follow, "max-age=60", as("alice"), as("bob"), cacheBypass, cacheBypass},
		{"public, Cache-Control followed", follow, "public, max-age=60", as("alice"), as("bob"), cacheMiss, cacheHit},
		{"private, Cache-Control followed", follow, "private, max-age=60", request("/a"), request("/a"), cacheBypass, cacheBypass},
		{"another method in disguise", nil, "", request("/a", "X-HTTP-Method-Override", "DELETE"), request("/a"), cacheMiss, cacheMiss},
		{"another path in disguise", nil, "", request("/a", "X-Original-URL", "/admin"), request("/a"), cacheMiss, cacheMiss},
		{"a condition that may fail", nil, "", request("/a", "If-Match", `"x"`), request("/a"), cacheMiss, cacheMiss},
	} {
		t.Run(c.about, func(t *testing.T) {
			b := newCacheBench(t, c.config)
			if c.control != "" {
				b.answers("x", "Cache-Control", c.control)
			}
			b.do(c.a, c.first)
			b.do(c.b, c.second)
		})
	}
}

func TestProxyCacheKeysOfForwardedFields(t *testing.T) {
	from := func(trusted bool, fields ...string) *Exchange {
		x := request("/a", fields...)
		x.Trusted = trusted
		return x
	}
	completed := func(ip string) *Exchange {
		x := request("/a", "X-Real-Ip", "forged")
		x.Complete = func() { x.Ctx.Request.Header.Set("X-Real-Ip", ip) }
		return x
	}
	for _, c := range []struct {
		about  string
		config map[string]any
		a, b   *Exchange
		same   bool
	}{
		{"another port, from a trusted proxy", nil, from(true, "X-Forwarded-Port", "81"), from(true, "X-Forwarded-Port", "82"), false},
		{"another prefix, from a trusted proxy", nil, from(true, "X-Forwarded-Prefix", "/a"), from(true), false},
		{"another port, from anyone", nil, from(false, "X-Forwarded-Port", "81"), from(false, "X-Forwarded-Port", "82"), true},
		{"what the gateway writes", map[string]any{"vary_headers": []any{"x-real-ip"}}, completed("192.0.2.1"), completed("192.0.2.2"), false},
		{"what the gateway writes, the same", map[string]any{"vary_headers": []any{"x-real-ip"}}, completed("192.0.2.1"), completed("192.0.2.1"), true},
		{"a parameter that looks like a field", map[string]any{"vary_headers": []any{"x-a"}}, request("/a?x-a&z"), request("/a", "X-A", "z"), false},
	} {
		p := newCacheBench(t, c.config).plugin
		if a, b := p.key.of(c.a), p.key.of(c.b); (a == b) != c.same {
			t.Errorf("%s: same key: %t, want %t", c.about, a == b, c.same)
		}
	}
}

func TestProxyCacheHasTheStoredDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, nil)
		const date = "Fri, 31 Dec 1999 23:59:00 GMT"
		b.answers("x", "Via", "1.1 inner", "Via", "1.1 gatelab")
		inner := b.upstream
		b.upstream = func(ctx *fasthttp.RequestCtx) {
			inner(ctx)
			SetDate(&ctx.Response.Header, []byte(date))
		}
		b.do(request("/a"), cacheMiss)
		b.answers("x")
		b.do(request("/none"), cacheMiss)
		began := string(fasthttp.AppendHTTPDate(nil, time.Now()))
		time.Sleep(9 * time.Second)
		for path, want := range map[string]string{"/a": date, "/none": began} {
			hit := b.do(request(path), cacheHit)
			if got := string(hit.Header.Peek("Date")); got != want || string(hit.Header.Peek("Age")) != "9" {
				t.Errorf("%s: Date %s, Age %s; want %s", path, got, hit.Header.Peek("Age"), want)
			}
			if via := hit.Header.PeekAll("Via"); path == "/a" && len(via) != 2 {
				t.Errorf("Via: %q", via)
			}
		}
	})
}

// A stored answer that takes an error's or a 304's place has none of its fields.
func TestProxyCacheDoesNotMixFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, map[string]any{"cache_control": true, "storage_ttl": 1000.0})
		b.answers("hello", "ETag", `"v1"`, "Cache-Control", "max-age=10, stale-if-error=600", "Link", "</a>")
		b.do(request("/a"), cacheMiss)
		time.Sleep(11 * time.Second)
		b.upstream = func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(503)
			for _, f := range []string{"ETag", "X-Error", "Link", "Content-Encoding", "Set-Cookie", "Www-Authenticate", "Last-Modified"} {
				ctx.Response.Header.Add(f, "of-the-error")
				ctx.Response.Header.Add(f, "again")
			}
			ctx.Response.Header.Set("X-RateLimit-Remaining-Minute", "3") // another plugin's
			ctx.SetBodyString("down")
		}
		r := b.do(request("/a"), cacheStale)
		text := ""
		for name, value := range r.Header.All() { // its String starts a clock that the bubble would wait for
			text += string(name) + ": " + string(value) + "\n"
		}
		if strings.Contains(text, "of-the-error") || strings.Contains(text, "again") ||
			!strings.Contains(text, "Remaining-Minute: 3") || string(r.Header.Peek("ETag")) != `"v1"` {
			t.Errorf("got %s", text)
		}
		b.upstream = func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(304)
			ctx.Response.Header.Set("Content-Encoding", "br")
			ctx.Response.Header.Set("ETag", `"v1"`)
		}
		if r := b.do(request("/a"), cacheRefresh); len(r.Header.Peek("Content-Encoding")) > 0 || string(r.Body()) != "hello" {
			t.Errorf("renewed: Content-Encoding %q, body %q", r.Header.Peek("Content-Encoding"), r.Body())
		}
	})
}

func TestProxyCacheCodings(t *testing.T) {
	b := newCacheBench(t, nil)
	encoded := func(coding string) func(ctx *fasthttp.RequestCtx) {
		return func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain")
			if coding != "" {
				ctx.Response.Header.Set("Content-Encoding", coding)
			}
			ctx.SetBodyString("in " + coding)
		}
	}
	takes := func(accept string) *Exchange { return request("/a", "Accept-Encoding", accept) }
	b.upstream = encoded("gzip")
	b.do(takes("gzip, br"), cacheMiss)
	b.upstream = encoded("")
	if r := b.do(request("/a"), cacheMiss); string(r.Body()) != "in " {
		t.Errorf("who takes no coding has %q", r.Body())
	}
	b.do(takes("identity, gzip;q=0"), cacheMiss)
	if r := b.do(takes("gzip, br"), cacheHit); string(r.Body()) != "in gzip" {
		t.Errorf("who takes gzip has %q", r.Body())
	}
	// An origin that encodes for all: whoever takes it has it from the cache.
	b.upstream = encoded("gzip")
	for range 2 {
		x := request("/all")
		x.Consumer = &entity.Consumer{ID: "c"}
		b.do(x, cacheMiss)
	}
}
