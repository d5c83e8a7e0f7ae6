package scenario_test

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

const ladder = "../../../scenarios/ladder.yaml"

func TestLadderStages(t *testing.T) {
	p := plan(t, load(t, ladder), "full")
	if got := names(p); got != "baseline pool cache limits multi edge" {
		t.Fatalf("stages: %s", got)
	}
	for i, want := range []struct { // but the edge, which is no rung for capacity
		lookup, conns, keepalive string
		cached, limited          bool
		replicas                 int
		balance                  string
		faults                   int
	}{
		{lookup: "database", conns: "1", keepalive: "0", replicas: 1, balance: "round_robin"},
		{lookup: "database", conns: "20", keepalive: "256", replicas: 1, balance: "round_robin"},
		{lookup: "snapshot", conns: "20", keepalive: "256", cached: true, replicas: 1, balance: "round_robin"},
		{lookup: "snapshot", conns: "20", keepalive: "256", cached: true, limited: true, replicas: 1, balance: "round_robin"},
		{
			lookup: "snapshot", conns: "20", keepalive: "256", cached: true, limited: true, replicas: 3,
			balance: "least_conn", faults: 1,
		},
	} {
		s := p[i]
		if s.Gateway["lookup"] != want.lookup || s.Gateway["pg_max_conns"] != want.conns || s.Gateway["upstream_keepalive"] != want.keepalive {
			t.Errorf("%s: gateway %v", s.Name, s.Gateway)
		}
		if got := plugins(s.Entities); slices.Contains(got, "proxy-cache") != want.cached || !slices.Contains(got, "key-auth") {
			t.Errorf("%s: plugins %v", s.Name, got)
		}
		services := s.Entities["services"].([]any)
		if got := plugins(services[1].(map[string]any)); slices.Contains(got, "rate-limiting-advanced") != want.limited {
			t.Errorf("%s: plugins of chats %v", s.Name, got)
		}
		if got := plugins(services[0].(map[string]any)); len(got) != 0 {
			t.Errorf("%s: plugins of models %v", s.Name, got)
		}
		if s.Topology.Replicas != want.replicas || s.LB.Balance != want.balance || len(s.Faults) != want.faults {
			t.Errorf("%s: %d replicas, %+v, faults %v", s.Name, s.Topology.Replicas, s.LB, s.Faults)
		}
		if got := s.Topology.Nodes["gateway"]; !reflect.DeepEqual(got, p[0].Topology.Nodes["gateway"]) {
			t.Errorf("%s: a replica has %+v, in the baseline %+v", s.Name, got, p[0].Topology.Nodes["gateway"])
		}
		if s.Load.Closed.Connections != 400 || s.Load.Open.Share != 0.7 || s.Topology.Links["postgres"].Latency != 2500*time.Microsecond {
			t.Errorf("%s: load %+v, links %v", s.Name, s.Load, s.Topology.Links)
		}
	}
}

// TestLadderEdgeAssumesNoShorterWay: what the edge brings must come from the
// edge, so the way over it is as long as the direct one.
func TestLadderEdgeAssumesNoShorterWay(t *testing.T) {
	for _, profile := range []string{"smoke", "full"} {
		s := plan(t, load(t, ladder), profile, "edge")[0]
		if len(s.Edge.Countries) != 2 || s.Edge.Countries[0].Code != "CN" || s.Edge.Vars["CACHE_TTL"] != "300" || s.Topology.Replicas != 3 {
			t.Fatalf("%s: %+v, %d replicas", profile, s.Edge, s.Topology.Replicas)
		}
		for _, c := range s.Edge.Countries {
			if over := c.Near.Latency + s.Edge.Origin.Latency; over != c.Direct.Latency {
				t.Errorf("%s: %s over the edge, %s directly", c.Name, over, c.Direct.Latency)
			}
			if there := float64(2*c.Direct.Latency) / 1e6; there >= c.Published.DirectMs {
				t.Errorf("%s: the way alone takes %v ms, published %v", c.Name, there, c.Published.DirectMs)
			}
		}
		if s.Load.Closed.Connections != 0 || s.Load.Open.Share != 0 || s.Load.Open.Rate == 0 || len(s.Faults) != 0 {
			t.Errorf("%s: load %+v, faults %v", profile, s.Load, s.Faults)
		}
		if total := 4 * (s.Load.Open.Warmup + s.Load.Open.Duration); profile == "smoke" && total > 12*time.Second {
			t.Errorf("the smoke profile attacks for %s", total)
		}
	}
}

func plugins(entity map[string]any) (names []string) {
	list, _ := entity["plugins"].([]any)
	for _, p := range list {
		names = append(names, p.(map[string]any)["name"].(string))
	}
	return names
}

// TestLadderSmokeIsShort keeps a stage within what a CI run has for it.
func TestLadderSmokeIsShort(t *testing.T) {
	for _, s := range plan(t, load(t, ladder), "smoke") {
		l := s.Load
		total := l.Closed.Warmup + l.Closed.Duration + l.Open.Warmup + l.Open.Duration
		if limit := 10 * time.Second; total > limit && s.Name != "multi" {
			t.Errorf("%s attacks for %s, want at most %s", s.Name, total, limit)
		}
		if s.Name == "multi" && (s.Load.Open.Duration != 8*time.Second || s.Faults[0].At != 2*time.Second) {
			t.Errorf("multi: %+v, %+v", s.Load.Open, s.Faults)
		}
	}
}

// TestLadderFloodsTheOriginOnlyWhenFast: at 200 requests/s the chats
// fit into the origin, at 10,000 they do not, and with the limit they do.
func TestLadderFloodsTheOriginOnlyWhenFast(t *testing.T) {
	s := plan(t, load(t, ladder), "", "limits")[0]
	var total, steady, flood float64
	for _, r := range s.Workload.Requests {
		total += r.Weight
		switch r.Name {
		case "chat":
			steady = r.Weight
		case "flood-chat":
			flood = r.Weight
			if !r.LimitedOK {
				t.Error("the flood may not be limited")
			}
		}
	}
	service := s.Entities["services"].([]any)[1].(map[string]any)
	limit := float64(service["plugins"].([]any)[0].(map[string]any)["config"].(map[string]any)["limit"].([]any)[0].(int64))
	const mean = 0.1715 // seconds, of a log-normal with median 150 ms and p99 500 ms
	places := float64(s.Origin.ChatConcurrency)
	busy := func(chats float64) float64 { return chats * mean }
	if got := busy(200 * (steady + flood) / total); got > places/4 {
		t.Errorf("the baseline keeps %.1f of %v places busy", got, places)
	}
	if got := busy(10_000 * (steady + flood) / total); got < places {
		t.Errorf("without limits 10,000 requests/s keep %.1f of %v places busy", got, places)
	}
	if got := busy(12_300*steady/total) + limit; got > places {
		t.Errorf("with limits, and the flood's second at one moment, %.1f of %v places are busy", got, places)
	}
	if perConsumer := 20_000 * steady / total / 20; perConsumer > limit/4 {
		t.Errorf("a steady consumer sends %.1f chats/s at a limit of %v", perConsumer, limit)
	}
}
