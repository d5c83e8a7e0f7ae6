package proxycache

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

func TestProxyCacheKeysTellApartWhatTheUpstreamTellsApart(t *testing.T) {
	asked := func(scheme, host string) *plugin.Exchange {
		x := request("/a")
		x.Scheme, x.Host = scheme, host
		x.Route = &entity.Route{ID: "route"}
		return x
	}
	only := map[string]any{"vary_query_params": []any{"id", "two words"}}
	tests := []struct {
		name   string
		config map[string]any
		a, b   *plugin.Exchange
		same   bool
	}{
		{name: "another host", a: asked("http", "a"), b: asked("http", "b")},
		{name: "a host in capitals", a: asked("http", "A.example"), b: asked("http", "a.example"), same: true},
		{name: "another scheme", a: asked("http", "a"), b: asked("https", "a")},
		{name: "a percent sign that is no escape", a: request("/a?q=100%"), b: request("/a?q=100%25")},
		{name: "a plus sign", a: request("/a?q=a+b"), b: request("/a?q=a%20b")},
		{name: "a value that is empty, and none", a: request("/a?q="), b: request("/a?q")},
		{name: "an escaped ampersand", a: request("/a?x=1%26y=2"), b: request("/a?x=1&y=2")},
		{name: "one name in two spellings, in another order", a: request("/a?x=1&%78=2"), b: request("/a?%78=2&x=1")},
		{name: "a name that counts, escaped", config: only, a: request("/a?%69d=1"), b: request("/a?%69d=2")},
		{name: "a name with a space", config: only, a: request("/a?two+words=1"), b: request("/a?two+words=2")},
		{
			name: "a name with a broken escape does not count", config: only, a: request("/a?id%6=1&%zz=1"),
			b: request("/a?%=2"), same: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newCacheBench(t, tt.config).plugin
			if a, b := p.key.of(tt.a), p.key.of(tt.b); (a == b) != tt.same {
				t.Errorf("same key: %t, want %t", a == b, tt.same)
			}
		})
	}
}

func TestProxyCacheLeavesRequestsWithABodyAlone(t *testing.T) {
	b := newCacheBench(t, map[string]any{"request_method": []any{"GET", "POST"}})
	for _, method := range []string{"GET", "POST"} {
		with := func(body string) *plugin.Exchange {
			x := request("/" + method)
			x.Ctx.Request.Header.SetMethod(method)
			x.Ctx.Request.SetBodyString(body)
			return x
		}
		b.do(with(""), cacheMiss)
		b.do(with(""), cacheHit)
		b.do(with("one"), cacheBypass)
		b.do(with("two"), cacheBypass)
	}
}
