package proxycache

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

func TestProxyCacheStreams(t *testing.T) {
	long := strings.Repeat("x", 1<<16+1)
	tests := []struct {
		about  string
		stream func() (io.Reader, int)
		first  string
		cached bool
	}{
		{
			about: "of known length", stream: func() (io.Reader, int) { return strings.NewReader("hello"), 5 }, first: cacheMiss,
			cached: true,
		},
		{
			about: "until its end", stream: func() (io.Reader, int) { return strings.NewReader("hello"), -1 }, first: cacheMiss,
			cached: true,
		},
		{about: "that breaks", stream: func() (io.Reader, int) { return broken{strings.NewReader("hello")}, -1 }, first: cacheMiss},
		{about: "shorter than it said", stream: func() (io.Reader, int) { return strings.NewReader("hell"), 5 }, first: cacheMiss},
		{
			about: "known to be too long", stream: func() (io.Reader, int) { return strings.NewReader(long), len(long) },
			first: cacheBypass,
		},
		{about: "found to be too long", stream: func() (io.Reader, int) { return strings.NewReader(long), -1 }, first: cacheMiss},
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
		b.plugin.HeaderFilter(leader)
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
				gone := make(chan *plugin.Exchange, 3)
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
					b.plugin.HeaderFilter(leader)
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
	b.plugin.HeaderFilter(x)
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
	deps := &plugin.Deps{Cache: store, Redis: registry}
	for _, tt := range []struct {
		about  string
		config map[string]any
		deps   *plugin.Deps
		want   string
	}{
		{about: "redis without a host", config: map[string]any{"strategy": "redis"}, deps: deps, want: "redis.host is missing"},
		{
			about: "an unknown strategy", config: map[string]any{"strategy": "disk"}, deps: deps,
			want: `strategy "disk": want memory or redis`,
		},
		{about: "a type that is none", config: map[string]any{"content_type": []any{"/"}}, deps: deps, want: `content_type "/"`},
		{about: "no cache", deps: &plugin.Deps{}, want: "no cache"},
		{about: "redis as Kong's schema stores it",
			config: map[string]any{"strategy": "redis", "redis": map[string]any{"host": "127.0.0.1", "port": 1, "password": nil, "timeout": 2000},
				"memory": map[string]any{"dictionary_name": "kong_db_cache"}, "storage_ttl": nil, "cache_ttl": 300}, deps: deps},
	} {
		t.Run(tt.about, func(t *testing.T) {
			_, err := newPlugin(&entity.Plugin{Name: "proxy-cache", Config: tt.config}, tt.deps)
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
		t.Errorf("%v allocations per hit, want at most 2", n)
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
