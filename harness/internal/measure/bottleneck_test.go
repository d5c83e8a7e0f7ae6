package measure

import (
	"strings"
	"testing"
	"time"
)

func idleNodes() []NodeLoad {
	return []NodeLoad{
		{Name: "gateway-1", Role: "gateway", Utilisation: ptr(0.3)},
		{Name: "worker", Role: "worker", Utilisation: ptr(0.2)},
		{Name: "redis", Role: "redis"},
	}
}

// nodesWith are idleNodes, of which one has another CPU utilisation.
func nodesWith(name string, utilisation float64) []NodeLoad {
	out := idleNodes()
	for i := range out {
		if out[i].Name == name {
			out[i].Utilisation = &utilisation
		}
	}
	return out
}

func TestBottlenecks(t *testing.T) {
	idle := idleNodes()
	ms := time.Millisecond
	for _, row := range []struct {
		name string
		s    Saturation
		want string // component and rule of the first
	}{
		{name: "one connection that all wait for", s: Saturation{Nodes: idle, PoolMax: 1, PoolInUseMax: 1, PoolWait: 400 * ms, Latency: 450 * ms},
			want: "postgres pool: waiting for a connection"},
		{name: "a full pool without waiting", s: Saturation{Nodes: idle, PoolMax: 1, PoolInUseMax: 1, PoolWait: ms, Latency: 450 * ms,
			Reached: true},
			want: "none: offered rate kept"},
		{name: "a gateway without CPU left", s: Saturation{Nodes: nodesWith("gateway-1", 0.99), PoolMax: 1, PoolInUseMax: 1, PoolWait: 400 * ms,
			Latency: 450 * ms},
			want: "gateway-1: CPU saturated"},
		{name: "a gateway with little CPU left, and a pool", s: Saturation{Nodes: nodesWith("gateway-1", 0.9), PoolMax: 1, PoolInUseMax: 1,
			PoolWait: 400 * ms, Latency: 450 * ms},
			want: "postgres pool: waiting for a connection"},
		{name: "a generator that is the limit", s: Saturation{Nodes: nodesWith("worker", 0.97)}, want: "worker: generator saturated"},
		{name: "an origin that refuses", s: Saturation{Nodes: idle, OriginInFlight: 32, OriginLimit: 32, OriginRefused: 5},
			want: "origin: concurrency limit"},
		{name: "a full origin that refuses no request", s: Saturation{Nodes: idle, OriginInFlight: 32, OriginLimit: 32},
			want: "unknown: no rule fired"},
		{name: "an origin that refuses a handful", s: Saturation{Nodes: idle, OriginInFlight: 32, OriginLimit: 32, OriginRefused: 5,
			Requests: 300_000},
			want: "unknown: no rule fired"},
		{name: "a quota that holds a node up", s: Saturation{Nodes: []NodeLoad{{Name: "lb", Throttled: ptr(0.4)}}},
			want: "lb: CPU limit throttles"},
		{name: "a full host", s: Saturation{Nodes: idle, HostBusy: ptr(0.97)}, want: "host: all cores busy"},
		{name: "Redis in the way", s: Saturation{Nodes: idle, RedisPerRequest: 3 * ms, Latency: 10 * ms}, want: "redis: round trips"},
		{name: "most refused", s: Saturation{Nodes: idle, Limited: 60, Requests: 100}, want: "gateway's limits: most requests are refused"},
		{name: "a slow origin and few connections", s: Saturation{Nodes: idle, OriginLatency: 20 * ms, OriginShare: 1, Latency: 22 * ms,
			Connections: 10},
			want: "origin: latency, with this many connections"},
		{name: "nothing known", s: Saturation{}, want: "unknown: no rule fired"},
	} {
		t.Run(row.name, func(t *testing.T) {
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
