package proxycache

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

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
		{about: "the same tag", name: "If-None-Match", value: `"v1"`, status: 304},
		{about: "weakly the same", name: "If-None-Match", value: `W/"v1"`, status: 304},
		{about: "one of several", name: "If-None-Match", value: `"a,b", "v1"`, status: 304},
		{about: "any", name: "If-None-Match", value: `*`, status: 304},
		{about: "another", name: "If-None-Match", value: `"v2"`, status: 200},
		{about: "not a tag", name: "If-None-Match", value: `v1`, status: 200},
		{about: "not modified since", name: "If-Modified-Since", value: modified, status: 304},
		{about: "modified since", name: "If-Modified-Since", value: "Tue, 14 Nov 2023 22:13:19 GMT", status: 200},
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

// TestProxyCacheStaleIfErrorIsWhatTheClientAsksFor has an entry with a tag: the
// condition that revalidates it is not the client's.
func TestProxyCacheStaleIfErrorIsWhatTheClientAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, map[string]any{"cache_control": true})
		b.answers("hello", "Cache-Control", "max-age=10, stale-if-error=60", "ETag", `"v1"`)
		b.do(request("/a"), cacheMiss)
		time.Sleep(11 * time.Second)
		b.upstream = func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(503) }
		if r := b.do(request("/a"), cacheStale); r.StatusCode() != 200 || string(r.Body()) != "hello" {
			t.Errorf("without a condition: %d %q", r.StatusCode(), r.Body())
		}
		if r := b.do(request("/a", "If-None-Match", `"v1"`), cacheStale); r.StatusCode() != 304 || len(r.Body()) > 0 {
			t.Errorf("with one: %d %q", r.StatusCode(), r.Body())
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
