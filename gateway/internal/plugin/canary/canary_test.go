package canary

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
)

var uses = entitytest.Uses{
	"canary.start":                 ".: p.Start",
	"canary.hash":                  ".: p.Hash",
	"canary.duration":              ".: p.Duration",
	"canary.steps":                 ".: p.Steps",
	"canary.percentage":            ".: p.Percentage",
	"canary.upstream_host":         ".: p.UpstreamHost",
	"canary.upstream_port":         ".: p.UpstreamPort",
	"canary.upstream_uri":          ".: p.UpstreamURI",
	"canary.upstream_fallback":     "refused",
	"canary.groups":                ".: p.Groups",
	"canary.hash_header":           ".: p.HashHeader",
	"canary.canary_by_header_name": ".: p.ByHeader",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"canary": Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 850, Config: `{"percentage":10,"upstream_host":"h"}`,
		Defaults: map[string]any{
			"start": nil, "hash": "consumer", "duration": int64(3600), "steps": int64(1000), "percentage": int64(10), "upstream_host": "h",
			"upstream_port": nil, "upstream_uri": nil, "upstream_fallback": false, "groups": nil, "hash_header": nil,
			"canary_by_header_name": nil,
		},
		Refused: map[string]string{
			`{"percentage":10}`:                                             "at least one of these fields must be non-empty: 'upstream_host'",
			`{"upstream_host":"h"}`:                                         "config.percentage: required field missing",
			`{"percentage":101,"upstream_host":"h"}`:                        "config.percentage: value should be between 0 and 100",
			`{"hash":"allow","upstream_host":"h"}`:                          "config.groups: required field missing",
			`{"hash":"header","percentage":1,"upstream_host":"h"}`:          "config.hash_header: required field missing",
			`{"percentage":1,"upstream_host":"h","upstream_fallback":true}`: "config.upstream_fallback: ",
			`{"percentage":1,"upstream_uri":"x"}`:                           "config.upstream_uri: ",
		},
	}.Check(t, Definition())
}

func other(t *testing.T) (host string, port int) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "canary %s %s", r.URL, r.Host)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), port
}

func start(t *testing.T, add func(*entity.Config), config entity.Record, more ...entity.Record) *plugintest.Gateway {
	t.Helper()
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "primary") })
	return plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), proxycache.Definition()}, add,
		append(more, entity.Record{"name": "canary", "config": config})...)
}

func ask(t *testing.T, g *plugintest.Gateway, header ...string) string {
	t.Helper()
	_, body := g.Send(t, http.MethodGet, "/a?b=1", "", header...)
	return body
}

func nothing(*entity.Config) {}

func TestWhere(t *testing.T) {
	host, port := other(t)
	address := fmt.Sprintf("%s:%d", host, port)
	g := start(t, nothing, entity.Record{"percentage": 100, "upstream_host": host, "upstream_port": port})
	if got := ask(t, g); got != "canary /a?b=1 "+address {
		t.Error(got)
	}
	g = start(t, nothing, entity.Record{"percentage": 100, "upstream_port": port, "upstream_uri": "/n%20ew"})
	if got := ask(t, g); got != "canary /n%20ew?b=1 "+address {
		t.Error(got)
	}
	if got := ask(t, start(t, nothing, entity.Record{"percentage": 0, "upstream_port": port})); got != "primary" {
		t.Error(got)
	}
	// An upstream of the gateway, whose port is that of its targets.
	g = start(t, func(c *entity.Config) {
		c.Upstreams = append(c.Upstreams, entity.Upstream{ID: "u", Name: "next", Algorithm: "round-robin", Slots: 10})
		c.Targets = append(c.Targets, entity.Target{ID: "t", Target: address, Weight: 1, Upstream: entity.Ref{ID: "u"}})
	}, entity.Record{"percentage": 100, "upstream_host": "next"})
	if got := ask(t, g); got != "canary /a?b=1 "+address {
		t.Error(got)
	}
}

func TestHeader(t *testing.T) {
	_, port := other(t)
	g := start(t, nothing, entity.Record{"percentage": 0, "upstream_port": port, "canary_by_header_name": "X-Canary"})
	for value, want := range map[string]bool{"always": true, "Always": true, "never": false, "x": false} {
		if got := ask(t, g, "X-Canary:"+value); (got != "primary") != want {
			t.Errorf("%s: %s", value, got)
		}
	}
	g = start(t, nothing, entity.Record{"percentage": 100, "upstream_port": port, "canary_by_header_name": "X-Canary"})
	if got := ask(t, g, "X-Canary:never"); got != "primary" {
		t.Error(got)
	}
}

// TestShare: about as many as wanted, and a client always the same way.
func TestShare(t *testing.T) {
	_, port := other(t)
	g := start(t, nothing, entity.Record{"percentage": 30, "upstream_port": port, "hash": "header", "hash_header": "X-User"})
	chosen := 0
	for i := range 300 {
		user := fmt.Sprint("X-User:", i)
		first := ask(t, g, user)
		if first != "primary" {
			chosen++
		}
		if i%50 == 0 && ask(t, g, user) != first {
			t.Errorf("%s went both ways", user)
		}
	}
	if chosen < 60 || chosen > 120 {
		t.Errorf("%d of 300", chosen)
	}
}

// TestACacheKeepsThemApart: an answer of the canary is not one of the service.
func TestACacheKeepsThemApart(t *testing.T) {
	_, port := other(t)
	g := start(t, nothing, entity.Record{"percentage": 0, "upstream_port": port, "canary_by_header_name": "X-Canary"},
		entity.Record{"name": "proxy-cache", "config": entity.Record{"strategy": "memory", "content_type": []any{"text/plain; charset=utf-8"}}})
	for range 2 {
		if got := ask(t, g); got != "primary" {
			t.Error(got)
		}
		if got := ask(t, g, "X-Canary:always"); got == "primary" {
			t.Error(got)
		}
	}
}

func TestChoice(t *testing.T) {
	now := time.Unix(10_000, 0)
	number := func(n float64) *float64 { return &n }
	share := func(c config) float64 {
		p := &canary{config: c, now: func() time.Time { return now }}
		return p.share()
	}
	for _, tt := range []struct {
		config config
		want   float64
	}{
		{config{Percentage: number(25)}, .25},
		{config{Start: number(10_001), Duration: 100}, 0},
		{config{Start: number(9_950), Duration: 100}, .5},
		{config{Start: number(9_000), Duration: 100}, 10},
		{config{Start: number(10_001), Percentage: number(25)}, 0},
		{config{Start: number(9_000), Percentage: number(25), Duration: 100}, .25},
		{config{}, 0},
	} {
		if got := share(tt.config); got != tt.want {
			t.Errorf("%+v: %g", tt.config, got)
		}
	}
	d := plugin.NewDirectory(&entity.Config{
		Consumers: []entity.Consumer{{ID: "a"}, {ID: "b"}}, ACLs: []entity.ACL{{ID: "1", Group: "beta", Consumer: entity.Ref{ID: "a"}}},
	})
	for _, tt := range []struct {
		hash, consumer string
		want           bool
	}{{allow, "a", true}, {allow, "b", false}, {allow, "", false}, {deny, "a", false}, {deny, "b", true}, {deny, "", true}} {
		p := &canary{config: config{Hash: tt.hash, Groups: []string{"beta"}}, now: time.Now}
		x := &plugin.Exchange{Directory: d}
		x.Consumer, _ = d.Consumer(tt.consumer)
		if got := p.chosen(x); got != tt.want {
			t.Errorf("%s %q: %v", tt.hash, tt.consumer, got)
		}
	}
}
