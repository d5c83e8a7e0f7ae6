package measure

import (
	"strings"
	"testing"
	"time"
)

func TestBottlenecks(t *testing.T) {
	idle := []NodeLoad{{Name: "gateway-1", Role: "gateway", Utilisation: ptr(0.3)}, {Name: "worker", Role: "worker", Utilisation: ptr(0.2)}, {Name: "redis", Role: "redis"}}
	with := func(name string, u float64) []NodeLoad {
		out := append([]NodeLoad(nil), idle...)
		for i := range out {
			if out[i].Name == name {
				out[i].Utilisation = &u
			}
		}
		return out
	}
	ms := time.Millisecond
	for _, row := range []struct {
		what string
		s    Saturation
		want string // component and rule of the first
	}{
		{"one connection that all wait for", Saturation{Nodes: idle, PoolMax: 1, PoolInUseMax: 1, PoolWait: 400 * ms, Latency: 450 * ms},
			"postgres pool: waiting for a connection"},
		{"a full pool that nobody waits for", Saturation{Nodes: idle, PoolMax: 1, PoolInUseMax: 1, PoolWait: ms, Latency: 450 * ms, Reached: true},
			"none: offered rate kept"},
		{"a gateway without CPU left", Saturation{Nodes: with("gateway-1", 0.99), PoolMax: 1, PoolInUseMax: 1, PoolWait: 400 * ms, Latency: 450 * ms},
			"gateway-1: CPU saturated"},
		{"a gateway with little CPU left, and a pool", Saturation{Nodes: with("gateway-1", 0.9), PoolMax: 1, PoolInUseMax: 1, PoolWait: 400 * ms, Latency: 450 * ms},
			"postgres pool: waiting for a connection"},
		{"a generator that is the limit", Saturation{Nodes: with("worker", 0.97)}, "worker: generator saturated"},
		{"an origin that refuses", Saturation{Nodes: idle, OriginInFlight: 32, OriginLimit: 32, OriginRefused: 5}, "origin: concurrency limit"},
		{"an origin that is full and refuses nobody", Saturation{Nodes: idle, OriginInFlight: 32, OriginLimit: 32}, "unknown: no rule fired"},
		{"an origin that refuses a handful", Saturation{Nodes: idle, OriginInFlight: 32, OriginLimit: 32, OriginRefused: 5, Requests: 300_000}, "unknown: no rule fired"},
		{"a quota that holds a node up", Saturation{Nodes: []NodeLoad{{Name: "lb", Throttled: ptr(0.4)}}}, "lb: CPU limit throttles"},
		{"a full host", Saturation{Nodes: idle, HostBusy: ptr(0.97)}, "host: all cores busy"},
		{"Redis in the way", Saturation{Nodes: idle, RedisPerRequest: 3 * ms, Latency: 10 * ms}, "redis: round trips"},
		{"most refused", Saturation{Nodes: idle, Limited: 60, Requests: 100}, "gateway's limits: most requests are refused"},
		{"a slow origin and few connections", Saturation{Nodes: idle, OriginLatency: 20 * ms, OriginShare: 1, Latency: 22 * ms, Connections: 10},
			"origin: latency, with this many connections"},
		{"nothing known", Saturation{}, "unknown: no rule fired"},
	} {
		t.Run(row.what, func(t *testing.T) {
			got := Bottlenecks(row.s)
			if len(got) == 0 {
				t.Fatal("nothing is said")
			}
			if s := got[0].Component + ": " + got[0].Rule; s != row.want {
				t.Errorf("%q, want %q", s, row.want)
			}
			if got[0].Evidence == "" {
				t.Error("no evidence")
			}
		})
	}
}

func TestBottlenecksAreNamedOnce(t *testing.T) {
	got := Bottlenecks(Saturation{Nodes: []NodeLoad{
		{Name: "a", Role: "gateway", Utilisation: ptr(0.96)}, {Name: "b", Role: "gateway", Utilisation: ptr(0.99)}}, HostBusy: ptr(0.95)})
	var names []string
	for _, b := range got {
		names = append(names, b.Component)
	}
	if s := strings.Join(names, " "); s != "b a host" {
		t.Errorf("%q, want the busiest first, then the other, then the host", s)
	}
}
