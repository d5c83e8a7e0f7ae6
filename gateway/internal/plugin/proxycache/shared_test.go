package proxycache

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

func TestProxyCacheKeepsCallersApart(t *testing.T) {
	follow := map[string]any{"cache_control": true}
	private := map[string]any{"store_private": true}
	as := func(who string) *plugin.Exchange { return request("/a", "Authorization", who) }
	for _, c := range []struct {
		name    string
		config  map[string]any
		control string
		a, b    *plugin.Exchange
		first   string
		second  string
	}{
		{name: "one caller by default", a: as("alice"), b: as("alice"), first: cacheBypass, second: cacheBypass},
		{name: "two callers", config: private, a: as("alice"), b: as("bob"), first: cacheMiss, second: cacheMiss},
		{name: "one caller", config: private, a: as("alice"), b: as("alice"), first: cacheMiss, second: cacheHit},
		{name: "a caller and an anonymous one", config: private, a: as("alice"), b: request("/a"), first: cacheMiss, second: cacheMiss},
		{
			name: "private by default", control: "private, max-age=60", a: request("/a"), b: request("/a"), first: cacheBypass,
			second: cacheBypass,
		},
		{
			name: "a caller, Cache-Control followed", config: follow, control: "max-age=60", a: as("alice"), b: as("bob"),
			first: cacheBypass, second: cacheBypass,
		},
		{
			name: "public, Cache-Control followed", config: follow, control: "public, max-age=60", a: as("alice"), b: as("bob"),
			first: cacheMiss, second: cacheHit,
		},
		{
			name: "private, Cache-Control followed", config: follow, control: "private, max-age=60", a: request("/a"),
			b: request("/a"), first: cacheBypass, second: cacheBypass,
		},
		{
			name: "another method in disguise", a: request("/a", "X-HTTP-Method-Override", "DELETE"), b: request("/a"),
			first: cacheMiss, second: cacheMiss,
		},
		{
			name: "another path in disguise", a: request("/a", "X-Original-URL", "/admin"), b: request("/a"), first: cacheMiss,
			second: cacheMiss,
		},
		{name: "a condition that may fail", a: request("/a", "If-Match", `"x"`), b: request("/a"), first: cacheMiss, second: cacheMiss},
	} {
		t.Run(c.name, func(t *testing.T) {
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
	from := func(trusted bool, fields ...string) *plugin.Exchange {
		x := request("/a", fields...)
		x.Trusted = trusted
		return x
	}
	completed := func(ip string) *plugin.Exchange {
		x := request("/a", "X-Real-Ip", "forged")
		x.Complete = func() { x.Ctx.Request.Header.Set("X-Real-Ip", ip) }
		return x
	}
	for _, c := range []struct {
		name   string
		config map[string]any
		a, b   *plugin.Exchange
		same   bool
	}{
		{name: "another port, from a trusted proxy", a: from(true, "X-Forwarded-Port", "81"), b: from(true, "X-Forwarded-Port", "82")},
		{name: "another prefix, from a trusted proxy", a: from(true, "X-Forwarded-Prefix", "/a"), b: from(true)},
		{
			name: "another port, from anyone", a: from(false, "X-Forwarded-Port", "81"),
			b: from(false, "X-Forwarded-Port", "82"), same: true,
		},
		{
			name: "what the gateway writes", config: map[string]any{"vary_headers": []any{"x-real-ip"}},
			a: completed("192.0.2.1"), b: completed("192.0.2.2"),
		},
		{
			name: "what the gateway writes, the same", config: map[string]any{"vary_headers": []any{"x-real-ip"}},
			a: completed("192.0.2.1"), b: completed("192.0.2.1"), same: true,
		},
		{
			name: "a parameter that looks like a field", config: map[string]any{"vary_headers": []any{"x-a"}},
			a: request("/a?x-a&z"), b: request("/a", "X-A", "z"),
		},
	} {
		p := newCacheBench(t, c.config).plugin
		if a, b := p.key.of(c.a), p.key.of(c.b); (a == b) != c.same {
			t.Errorf("%s: same key: %t, want %t", c.name, a == b, c.same)
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
			plugin.SetDate(&ctx.Response.Header, []byte(date))
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
	takes := func(accept string) *plugin.Exchange { return request("/a", "Accept-Encoding", accept) }
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
	// An origin that encodes for all: clients that accept it have it from the cache.
	b.upstream = encoded("gzip")
	for range 2 {
		x := request("/all")
		x.Consumer = &entity.Consumer{ID: "c"}
		b.do(x, cacheMiss)
	}
}
