package plugin

import (
	"testing"

	"gatelab/gateway/internal/entity"
)

func TestProxyCacheKeysTellApartWhatTheUpstreamTellsApart(t *testing.T) {
	asked := func(scheme, host string) *Exchange {
		x := request("/a")
		x.Scheme, x.Host, x.Route = scheme, host, &entity.Route{ID: "route"}
		return x
	}
	only := map[string]any{"vary_query_params": []any{"id", "two words"}}
	tests := []struct {
		about  string
		config map[string]any
		a, b   *Exchange
		same   bool
	}{
		{"another host", nil, asked("http", "a"), asked("http", "b"), false},
		{"a host in capitals", nil, asked("http", "A.example"), asked("http", "a.example"), true},
		{"another scheme", nil, asked("http", "a"), asked("https", "a"), false},
		{"a percent sign that is no escape", nil, request("/a?q=100%"), request("/a?q=100%25"), false},
		{"a plus sign", nil, request("/a?q=a+b"), request("/a?q=a%20b"), false},
		{"a value that is empty, and none", nil, request("/a?q="), request("/a?q"), false},
		{"an escaped ampersand", nil, request("/a?x=1%26y=2"), request("/a?x=1&y=2"), false},
		{"one name in two spellings, in another order", nil, request("/a?x=1&%78=2"), request("/a?%78=2&x=1"), false},
		{"a name that counts, escaped", only, request("/a?%69d=1"), request("/a?%69d=2"), false},
		{"a name with a space", only, request("/a?two+words=1"), request("/a?two+words=2"), false},
		{"a name with a broken escape does not count", only, request("/a?id%6=1&%zz=1"), request("/a?%=2"), true},
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

func TestProxyCacheLeavesRequestsWithABodyAlone(t *testing.T) {
	b := newCacheBench(t, map[string]any{"request_method": []any{"GET", "POST"}})
	for _, method := range []string{"GET", "POST"} {
		with := func(body string) *Exchange {
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
