package ratelimiting

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/internal/testenv"
)

// redisAt splits the test Redis' address the way a configuration has it.
func redisAt(tb testing.TB, addr string) (host string, port float64) {
	tb.Helper()
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatal(err)
	}
	return host, float64(n)
}

func TestReplicasShareTheLimitInRedis(t *testing.T) {
	host, port := redisAt(t, testenv.Redis(t))
	var nodes []any
	for _, addr := range testenv.RedisCluster(t) {
		ip, port := redisAt(t, addr)
		nodes = append(nodes, map[string]any{"ip": ip, "port": port})
	}
	for _, c := range []struct {
		why, name string
		config    map[string]any
		want      int // of 10 at each of two replicas
	}{
		{
			why: "a Redis Cluster", name: "rate-limiting",
			config: map[string]any{"redis": map[string]any{"cluster_nodes": nodes}, "policy": "redis", "year": 7.0}, want: 7,
		},
		{
			why: "a Redis Cluster, leased", name: "rate-limiting-advanced",
			config: map[string]any{"redis": map[string]any{"cluster_nodes": nodes[:1]}, "strategy": "leased",
				"limit": []any{7.0}, "window_size": []any{86400000.0}, "namespace": "on-a-cluster"},
			want: 7,
		},
		{
			why: "redis given nested", name: "rate-limiting",
			config: map[string]any{"redis": map[string]any{"host": host, "port": port}, "policy": "redis", "year": 7.0}, want: 7,
		},
		{
			why: "redis given flat", name: "rate-limiting",
			config: map[string]any{"redis_host": host, "redis_port": port, "redis_database": 1.0, "policy": "redis", "year": 7.0},
			want:   7,
		},
		{
			why: "-1 is synchronous in rate-limiting", name: "rate-limiting",
			config: map[string]any{"redis_host": host, "redis_port": port, "redis_database": 2.0, "policy": "redis", "year": 7.0, "sync_rate": -1.0},
			want:   7,
		},
		{
			why: "leased", name: "rate-limiting",
			config: map[string]any{"redis_host": host, "redis_port": port, "redis_database": 5.0, "policy": "leased", "year": 7.0}, want: 7,
		},
		{
			why: "cluster is leased", name: "rate-limiting",
			config: map[string]any{"redis_host": host, "redis_port": port, "redis_database": 6.0, "policy": "cluster", "year": 7.0}, want: 7,
		},
		{
			why: "advanced, leased", name: "rate-limiting-advanced",
			config: map[string]any{"redis": map[string]any{"host": host, "port": port, "database": 7.0}, "strategy": "leased", "sync_rate": -1.0,
				"limit": []any{7.0}, "window_size": []any{86400000.0}, "namespace": "n"},
			want: 7,
		},
		{why: "policy local shares nothing", name: "rate-limiting", config: map[string]any{"policy": "local", "year": 7.0}, want: 14},
		{
			why: "advanced, sliding, synchronous", name: "rate-limiting-advanced",
			config: map[string]any{"redis": map[string]any{"host": host, "port": port, "database": 3.0}, "strategy": "redis",
				"sync_rate": 0.0, "limit": []any{7.0}, "window_size": []any{86400000.0}, "namespace": "n"},
			want: 7,
		},
		{
			why: "advanced, fixed, synchronous", name: "rate-limiting-advanced",
			config: map[string]any{"redis": map[string]any{"host": host, "port": port, "database": 4.0}, "strategy": "redis",
				"sync_rate": 0.0, "window_type": "fixed", "limit": []any{7.0, 9.0}, "window_size": []any{86400000.0, 86400001.0}},
			want: 7,
		},
		{
			why: "advanced, a token bucket", name: "rate-limiting-advanced",
			config: map[string]any{"redis": map[string]any{"host": host, "port": port, "database": 8.0}, "strategy": "redis",
				"window_type": "token_bucket", "limit": []any{1.0}, "burst": []any{7.0}, "window_size": []any{86400000.0}, "namespace": "n"},
			want: 7,
		},
		{
			why: "advanced, never synchronised", name: "rate-limiting-advanced",
			config: map[string]any{"redis": map[string]any{"host": host, "port": port}, "strategy": "redis", "sync_rate": -1.0,
				"limit": []any{7.0}, "window_size": []any{86400000.0}},
			want: 14,
		},
		{
			why: "advanced, local", name: "rate-limiting-advanced",
			config: map[string]any{"sync_rate": -1.0, "limit": []any{7.0}, "window_size": []any{86400000.0}, "identifier": "consumer"},
			want:   14,
		},
	} {
		a := mustLimiting(t, limitDeps(t), c.name, c.config)
		b := mustLimiting(t, limitDeps(t), c.name, c.config)
		if n := passes(a, limitExchange(), 10) + passes(b, limitExchange(), 10); n != c.want {
			t.Errorf("%s: %d passed at two replicas, want %d", c.why, n, c.want)
		}
	}
}

// outcomes reads the plugin's counters.
func outcomes(p *rateLimiting) string {
	return fmt.Sprintf("allowed %d limited %d open %d closed %d", count(p.allowed), count(p.limited),
		count(p.failedOpen), count(p.failedClosed))
}

func count(c counter) int { return int(testutil.ToFloat64(c.(prometheus.Counter))) }

func TestWithoutRedis(t *testing.T) {
	down := map[string]any{"host": "127.0.0.1", "port": 1.0}
	for _, c := range []struct {
		why, name string
		config    map[string]any
		passed    int // of 5
		status    int // of the last
		outcomes  string
	}{
		{
			why: "fault tolerant by default", name: "rate-limiting",
			config: map[string]any{"policy": "redis", "redis": down, "year": 2.0}, passed: 5, status: 200,
			outcomes: "allowed 0 limited 0 open 5 closed 0",
		},
		{
			why: "fault tolerant", name: "rate-limiting",
			config: map[string]any{"policy": "redis", "redis": down, "year": 2.0, "fault_tolerant": true}, passed: 5, status: 200,
			outcomes: "allowed 0 limited 0 open 5 closed 0",
		},
		{
			why: "not tolerant", name: "rate-limiting",
			config: map[string]any{"policy": "redis", "redis": down, "year": 2.0, "fault_tolerant": false}, passed: 0,
			status: 500, outcomes: "allowed 0 limited 0 open 0 closed 5",
		},
		{
			why: "leased, fault tolerant", name: "rate-limiting",
			config: map[string]any{"policy": "leased", "redis": down, "year": 2.0}, passed: 5, status: 200,
			outcomes: "allowed 0 limited 0 open 5 closed 0",
		},
		{
			why: "a share, of one replica all", name: "rate-limiting",
			config: map[string]any{"policy": "leased", "redis": down, "year": 2.0, "fault_tolerant": false, "local_share": true},
			passed: 2, status: 429, outcomes: "allowed 0 limited 3 open 2 closed 0",
		},
		{
			why: "advanced, leased, counts for itself", name: "rate-limiting-advanced",
			config: map[string]any{"strategy": "leased", "redis": down, "limit": []any{2.0}, "window_size": []any{86400000.0}},
			passed: 2, status: 429, outcomes: "allowed 0 limited 3 open 2 closed 0",
		},
		{
			why: "advanced counts for itself", name: "rate-limiting-advanced",
			config: map[string]any{"strategy": "redis", "redis": down, "sync_rate": 0.0, "limit": []any{2.0}, "window_size": []any{86400000.0}},
			passed: 2, status: 429, outcomes: "allowed 0 limited 3 open 2 closed 0",
		},
	} {
		p := mustLimiting(t, limitDeps(t), c.name, c.config)
		x := limitExchange()
		if n := passes(p, x, 5); n != c.passed || x.Ctx.Response.StatusCode() != c.status {
			t.Errorf("%s: %d passed, last %d; want %d, %d", c.why, n, x.Ctx.Response.StatusCode(), c.passed, c.status)
		}
		if got := outcomes(p); got != c.outcomes {
			t.Errorf("%s: %s, want %s", c.why, got, c.outcomes)
		}
	}
}
