package proxy

import (
	"errors"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

func TestARedisThatIsNotConfiguredAnyMoreIsForgotten(t *testing.T) {
	g := startCached(t, Config{})
	limits := limit.New(limit.Config{}, nil)
	clients := redisconn.NewRegistry(redisconn.Config{}, nil)
	t.Cleanup(func() { _ = limits.Close(); _ = clients.Close() })
	g.deps.Limits, g.deps.Redis = limits, clients

	down := map[string]any{"host": "127.0.0.1", "port": 1.0}
	c := config("http://127.0.0.1:2", entity.Route{Paths: []string{"/"}},
		proxyCachePlugin(map[string]any{"strategy": "redis", "redis": down}),
		entity.Plugin{ID: "limit", Name: "rate-limiting", Enabled: true, Config: map[string]any{"policy": "redis", "redis": down, "year": 5.0}})
	g.apply(t, c)
	client := clients.Client(redisconn.Options{Host: "127.0.0.1", Port: 1})
	g.apply(t, c) // changes nothing
	if clients.Client(client.Options()) != client || g.deps.Cache.PurgeAll(t.Context()) == nil {
		t.Error("a Redis in use was forgotten")
	}

	c = config("http://127.0.0.1:2", entity.Route{Paths: []string{"/"}})
	c.Revision = 2
	g.apply(t, c)
	if err := g.deps.Cache.PurgeAll(t.Context()); err != nil {
		t.Errorf("a purge waits for it: %v", err)
	}

	// A configuration that cannot be applied leaves nothing behind either.
	c = config("http://127.0.0.1:2", entity.Route{Paths: []string{"/"}},
		proxyCachePlugin(map[string]any{"strategy": "redis", "redis": down}), entity.Plugin{ID: "p", Name: "no-such-plugin", Enabled: true})
	c.Revision = 3
	var failed *ApplyError
	if err := g.Apply(c); !errors.As(err, &failed) || failed.Revision != 3 {
		t.Fatalf("applied: %v", err)
	}
	if err := g.deps.Cache.PurgeAll(t.Context()); err != nil {
		t.Errorf("after a configuration that failed: %v", err)
	}
}
