package assess

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Growth that is too small to be a leak, whatever share of the beginning it is.
const (
	memoryFloor    = 4.0  // MiB
	goroutineFloor = 20.0 // goroutines
	latencyFloor   = 0.5  // ms
)

// soakConfidence is that of the intervals.
const soakConfidence = 0.95

// drifting is a series that must not grow over a soak.
type drifting struct {
	metric, node, unit string
	values             []float64
	share, floor       float64 // growth that is allowed: the larger one
}

// soakOf says of every series of a soak whether it grew over the attack; none: the stage is no soak.
func soakOf(s *scenario.Stage, open []*Recording) (out []result.Soak) {
	if !s.Soak.On {
		return nil
	}
	for _, a := range open {
		for _, one := range seriesOf(s, a) {
			out = append(out, one.judge(a))
		}
	}
	return out
}

// seriesOf are the memory and the goroutines of every gateway, and the latency of every second.
func seriesOf(s *scenario.Stage, a *Recording) (out []drifting) {
	nodes := map[string]bool{}
	for _, r := range a.Readings {
		for name := range r.Usage {
			if strings.HasPrefix(name, topology.RoleGateway) {
				nodes[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		var memory, routines []float64
		for _, r := range a.Readings {
			if u, ok := r.Usage[name]; ok && u.MemoryBytes > 0 {
				memory = append(memory, float64(u.MemoryBytes)/(1<<20))
			}
			if v, ok := r.Gateways[name].Value("go_goroutines"); ok {
				routines = append(routines, v)
			}
		}
		out = append(out, drifting{"memory", name, "MiB", memory, s.Soak.Memory, memoryFloor},
			drifting{"goroutines", name, "", routines, s.Soak.Goroutines, goroutineFloor})
	}
	for _, q := range []struct {
		metric string
		of     func(load.Second) float64
	}{{"p50", func(s load.Second) float64 { return InMS(s.P50) }}, {"p99", func(s load.Second) float64 { return InMS(s.P99) }}} {
		var values []float64
		for _, sec := range a.Result.Series {
			if sec.Successes > 0 {
				values = append(values, q.of(sec))
			}
		}
		out = append(out, drifting{q.metric, "", "ms", values, s.Soak.Latency, latencyFloor})
	}
	return out
}

// judge compares the interval of a series' growth with what is allowed.
func (d drifting) judge(a *Recording) result.Soak {
	out := result.Soak{Metric: d.metric, Node: d.node, Unit: d.unit, Round: a.Round, Values: len(d.values), Verdict: result.SoakInconclusive}
	slope, ok := stats.SlopeOf(d.values, soakConfidence)
	if !ok {
		out.Why = fmt.Sprintf("%d values: want %d or more, so a longer attack", len(d.values), stats.SlopeNeeds)
		return out
	}
	most := max(d.share*math.Abs(slope.Begin), d.floor)
	out.Begin, out.Allowed = &slope.Begin, &most
	out.Change, out.Low = &slope.Change, finite(slope.Low)
	out.High = finite(slope.High)
	if hours := a.Result.Window().Hours(); hours > 0 {
		out.PerHour = new(slope.Change / hours)
	}
	switch {
	case slope.Low > most:
		out.Verdict = result.SoakDrift
	case slope.High <= most:
		out.Verdict = result.SoakNone
	default:
		out.Why = "the interval holds both more and less than what is allowed: measure longer"
	}
	if n := restarts(a, d.node); n > 0 {
		out.Verdict, out.Why = result.SoakInconclusive, fmt.Sprintf("it was restarted %d time(s) meanwhile", n)
	}
	return out
}

// finite is a bound that JSON can hold; nil is no bound.
func finite(v float64) *float64 {
	if math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// restarts is how often a gateway began anew during an attack.
func restarts(a *Recording, node string) (n int) {
	var last float64
	for _, r := range a.Readings {
		v, ok := started(r, node)
		if ok && last > 0 && v > last+0.5 { // the clock is counted in ticks
			n++
		}
		if ok {
			last = v
		}
	}
	return n
}

func started(r readings.Reading, node string) (float64, bool) {
	return r.Gateways[node].Value("process_start_time_seconds")
}
