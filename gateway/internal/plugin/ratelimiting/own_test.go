package ratelimiting

import (
	"maps"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

func TestExemptClientsAreNeitherCountedNorRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		config map[string]any
		client func(x *plugin.Exchange)
		exempt bool
	}{
		{name: "a consumer by username", config: map[string]any{"exempt_consumers": []any{"monitor"}},
			client: func(x *plugin.Exchange) { x.Consumer = &entity.Consumer{ID: "1", Username: "monitor"} }, exempt: true},
		{name: "a consumer by custom_id", config: map[string]any{"exempt_consumers": []any{"7"}},
			client: func(x *plugin.Exchange) { x.Consumer = &entity.Consumer{ID: "1", CustomID: "7"} }, exempt: true},
		{name: "a consumer by id", config: map[string]any{"exempt_consumers": []any{"1"}},
			client: func(x *plugin.Exchange) { x.Consumer = &entity.Consumer{ID: "1"} }, exempt: true},
		{name: "another consumer", config: map[string]any{"exempt_consumers": []any{"monitor", ""}},
			client: func(x *plugin.Exchange) { x.Consumer = &entity.Consumer{ID: "1"} }},
		{name: "an address", config: map[string]any{"exempt_ips": []any{"192.0.2.1"}},
			client: func(x *plugin.Exchange) { x.ClientIP = "192.0.2.1" }, exempt: true},
		{name: "an address within IPv6", config: map[string]any{"exempt_ips": []any{"192.0.2.0/24"}},
			client: func(x *plugin.Exchange) { x.ClientIP = "::ffff:192.0.2.9" }, exempt: true},
		{name: "a range of IPv6", config: map[string]any{"exempt_ips": []any{"10.0.0.0/8", "2001:db8::/32"}},
			client: func(x *plugin.Exchange) { x.ClientIP = "2001:db8:1::1" }, exempt: true},
		{name: "another address", config: map[string]any{"exempt_ips": []any{"192.0.2.1"}},
			client: func(x *plugin.Exchange) { x.ClientIP = "192.0.2.2" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := maps.Clone(c.config)
			config["year"] = 1.0
			p := mustLimiting(t, limitDeps(t), "rate-limiting", config)
			x := limitExchange()
			c.client(x)
			want := 1
			if c.exempt {
				want = 5
			}
			if n := passes(p, x, 5); n != want {
				t.Errorf("%d of 5 passed, want %d", n, want)
			}
			if strings.Contains(wire(x), "RateLimit") == c.exempt {
				t.Errorf("exempt %t:\n%s", c.exempt, wire(x))
			}
		})
	}
}

func TestADryRunRefusesNothing(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"year": 2.0, "dry_run": true})
	x := limitExchange()
	if n := passes(p, x, 5); n != 5 {
		t.Errorf("%d of 5 passed", n)
	}
	if got, want := outcomes(p), "allowed 2 limited 0 open 0 closed 0"; got != want || count(p.wouldLimit) != 3 {
		t.Errorf("%s, would limit %d; want %s and 3", got, count(p.wouldLimit), want)
	}
	if strings.Contains(wire(x), "RateLimit") || x.Limited {
		t.Errorf("the client is told of a limit that is not enforced:\n%s", wire(x))
	}
	down := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"year": 2.0, "dry_run": true, "policy": "redis",
		"fault_tolerant": false, "redis": map[string]any{"host": "127.0.0.1", "port": 1.0}})
	if n := passes(down, x, 3); n != 3 {
		t.Errorf("without Redis %d of 3 passed", n)
	}
}

func TestIPv6ClientsAreCountedByTheirNetwork(t *testing.T) {
	for _, c := range []struct {
		a, b     string
		bits     float64
		together bool
	}{
		{a: "2001:db8::1", b: "2001:db8::2", bits: 64, together: true},
		{a: "2001:db8::1", b: "2001:db8:0:1::1", bits: 64},
		{a: "2001:db8:0:ff::1", b: "2001:db8:0:1::1", bits: 56, together: true},
		{a: "2001:db8::1", b: "2001:db8::2", bits: 128},
		{a: "192.0.2.1", b: "192.0.2.2", bits: 8},
		{a: "::ffff:192.0.2.1", b: "::ffff:192.0.2.2", bits: 64},
	} {
		p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"year": 1.0, "limit_by": "ip", "ipv6_prefix": c.bits})
		a, b := limitExchange(), limitExchange()
		a.ClientIP, b.ClientIP = c.a, c.b
		passes(p, a, 1)
		if together := passes(p, b, 1) == 0; together != c.together {
			t.Errorf("%s and %s by %v bits: counted together %t, want %t", c.a, c.b, c.bits, together, c.together)
		}
	}
}

// As in draft-ietf-httpapi-ratelimit-headers-10.
func TestStandardHeaders(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"day": 4.0, "year": 9.0, "standard_headers": true})
	x := limitExchange()
	p.Access(x)
	x.Ctx.Response.Header.Set("RateLimit", "the upstream's")
	x.Ctx.Response.Header.Set("RateLimit-Policy", "the upstream's")
	p.HeaderFilter(x)
	p.Log(x)
	text := wire(x)
	for _, want := range []string{"\r\nRateLimit-Policy: \"day\";q=4;w=86400, \"year\";q=9\r\n",
		"\r\nRateLimit: \"day\";r=3;t=", ", \"year\";r=8;t=",
		"\r\nX-RateLimit-Limit-Day: 4\r\n", "\r\nRateLimit-Remaining: 3\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "the upstream's") {
		t.Errorf("the upstream's fields are left:\n%s", text)
	}
	x = limitExchange()
	x.Ctx.Response.Reset()
	plain := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"day": 4.0})
	pass(plain, x)
	if strings.Contains(wire(x), "RateLimit-Policy") || strings.Contains(wire(x), "\r\nRateLimit:") {
		t.Errorf("without standard_headers:\n%s", wire(x))
	}
	advanced := mustLimiting(t, limitDeps(t), "rate-limiting-advanced",
		map[string]any{"limit": []any{5.0}, "window_size": []any{90.0}, "standard_headers": true})
	pass(advanced, x)
	if !strings.Contains(wire(x), "\r\nRateLimit-Policy: \"90s\";q=5;w=90\r\n") {
		t.Errorf("advanced:\n%s", wire(x))
	}
	if n := testing.AllocsPerRun(200, func() { pass(advanced, x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
