package proxycache

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// limitRedis has the test's Redis use no more memory than it has now and some more.
func limitRedis(t *testing.T, policy string, more int64) {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: testenv.Redis(t)})
	t.Cleanup(func() {
		ctx := context.Background()
		for name, value := range map[string]string{"maxmemory": "0", "maxmemory-policy": "noeviction"} {
			if err := rdb.ConfigSet(ctx, name, value).Err(); err != nil {
				t.Error(err)
			}
		}
		_ = rdb.Close()
	})
	info, err := rdb.InfoMap(t.Context(), "memory").Result()
	if err != nil {
		t.Fatal(err)
	}
	var used int64
	if _, err := fmt.Sscan(info["Memory"]["used_memory"], &used); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"maxmemory-policy": policy, "maxmemory": fmt.Sprint(used + more)} {
		if err := rdb.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAFullRedisIsNoError stores more than Redis may keep, by two replicas.
func TestAFullRedisIsNoError(t *testing.T) {
	body := strings.Repeat("x", 20_000)
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		fmt.Fprint(w, body)
	})
	for _, policy := range []string{"noeviction", "allkeys-lru"} {
		strategies(t, func(t *testing.T, config entity.Record) {
			if config["strategy"] != "redis" {
				t.Skip("there is no Redis")
			}
			t.Run(policy, func(t *testing.T) {
				config["cache_control"] = true
				c := startCluster(t, 2, origin, config)
				limitRedis(t, policy, 2<<20)
				target := newTarget("full")
				for n := range 400 {
					if a := c.get(t.Context(), n%2, fmt.Sprint(target, n)); a.err != nil || a.status != http.StatusOK || a.body != body {
						t.Fatalf("request %d: %d, %v", n, a.status, a.err)
					}
				}
				for n := range 400 { // of memory, of Redis, or of the origin
					if a := c.get(t.Context(), 1-n%2, fmt.Sprint(target, n)); a.err != nil || a.status != http.StatusOK || a.body != body {
						t.Fatalf("request %d again: %d, %v", n, a.status, a.err)
					}
				}
				full := func() float64 { return c.value(t, "gateway_cache_redis_write_drops_total", "reason", "memory") }
				if policy == "noeviction" {
					waitFor(t, "a write that finds no room is counted", func() bool { return full() > 0 })
				} else if n := full(); n > 0 {
					t.Errorf("%v writes found no room", n)
				}
				if hit := c.get(t.Context(), 0, target+"0"); hit.header.Get("X-Cache-Status") != cacheHit {
					t.Errorf("memory has nothing: %s", hit.header)
				}
			})
		})
	}
}
