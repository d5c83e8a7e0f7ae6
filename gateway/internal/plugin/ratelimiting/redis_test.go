package ratelimiting

import (
	"maps"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/redisconfig"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// redisOf is how a plugin with this configuration speaks to its Redis.
func redisOf(t *testing.T, name string, config map[string]any) redisconn.Options {
	t.Helper()
	limits, clients := limit.New(limit.Config{}, nil), redisconn.NewRegistry(redisconn.Config{}, nil)
	defer limits.Close()
	defer clients.Close()
	made, err := map[string]func(*entity.Plugin, *plugin.Deps) (plugin.Plugin, error){
		"rate-limiting": newPlain, "rate-limiting-advanced": newAdvanced,
	}[name](&entity.Plugin{ID: "p", Name: name, Config: config}, &plugin.Deps{Limits: limits, Redis: clients})
	if err != nil {
		t.Fatal(err)
	}
	return made.(*rateLimiting).redis.Options()
}

// Every field that a schema takes for a Redis must change how it is spoken to.
func TestEveryRedisFieldIsUsed(t *testing.T) {
	values := map[string]any{
		"host": "other", "port": 1.0, "timeout": 50.0, "username": "u", "password": "p", "database": 3.0,
		"ssl_verify": true, "server_name": "n.example",
	}
	for name, base := range map[string]map[string]any{
		"rate-limiting":          {"minute": 5.0, "policy": "redis"},
		"rate-limiting-advanced": {"limit": []any{5.0}, "window_size": []any{60.0}, "strategy": "redis"},
	} {
		nested := func(change map[string]any) redisconn.Options {
			redis := map[string]any{"host": "h", "port": 6379.0, "timeout": 2000.0, "ssl": true}
			maps.Copy(redis, change)
			config := maps.Clone(base)
			config["redis"] = redis
			return redisOf(t, name, config)
		}
		flat := func(change map[string]any) redisconn.Options {
			config := maps.Clone(base)
			maps.Copy(config, map[string]any{"redis_host": "h", "redis_port": 6379.0, "redis_timeout": 2000.0, "redis_ssl": true})
			for k, v := range change {
				config["redis_"+k] = v
			}
			return redisOf(t, name, config)
		}
		spellings := map[string]func(map[string]any) redisconn.Options{"nested": nested}
		if name == "rate-limiting" {
			spellings["flat"] = flat
		}
		for spelling, made := range spellings {
			plain := made(nil)
			if plain != (redisconn.Options{Host: "h", Port: 6379, TLS: true}) {
				t.Errorf("%s, %s: %+v", name, spelling, plain)
			}
			for _, f := range redisconfig.Server() {
				if f.Name == "ssl" {
					if o := made(map[string]any{"ssl": false}); o.TLS {
						t.Errorf("%s, %s: ssl is not used", name, spelling)
					}
					continue
				}
				v, known := values[f.Name]
				if !known {
					t.Fatalf("redis.%s is taken: name a value for this test", f.Name)
				}
				if made(map[string]any{f.Name: v}) == plain {
					t.Errorf("%s, %s: redis.%s is not used", name, spelling, f.Name)
				}
			}
		}
	}
	if o := (&redisconfig.Config{Timeout: 50}).Options(); o.Timeout != 50*time.Millisecond {
		t.Errorf("a time-out of 50 ms is %s", o.Timeout)
	}
}
