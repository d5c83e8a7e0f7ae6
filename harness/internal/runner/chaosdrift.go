package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/report"
)

// The first and the last tenth of the readings stand for the load's beginning and
// its end, and no fewer than edge: their median, for one may fall into a
// collection of garbage, or on a gateway that has just begun anew.
const (
	edge     = 5
	edgePart = 10
)

// drift is what every node held at the beginning of the load and at its end. A
// node that was restarted meanwhile began anew: how often is in it.
func drift(readings []reading) []report.Drift {
	nodes := map[string]bool{}
	for _, r := range readings {
		for n := range r.usage {
			nodes[n] = true
		}
	}
	var out []report.Drift
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		var memory, routines, starts []float64
		for _, r := range readings {
			if u, ok := r.usage[node]; ok && u.MemoryBytes > 0 {
				memory = append(memory, float64(u.MemoryBytes)/(1<<20))
			}
			m, ok := r.gateways[node]
			if !ok {
				continue
			}
			if v, ok := m.value("go_goroutines"); ok {
				routines = append(routines, v)
			}
			if v, ok := m.value("process_start_time_seconds"); ok {
				starts = append(starts, v)
			}
		}
		d := report.Drift{Node: node}
		d.MemoryFirstMiB, d.MemoryLastMiB = ends(memory)
		d.GoroutinesFirst, d.GoroutinesLast = ends(routines)
		for i := 1; i < len(starts); i++ {
			if starts[i] > starts[i-1]+0.5 { // the clock is counted in ticks
				d.Restarts++
			}
		}
		out = append(out, d)
	}
	return out
}

// ends are the medians of the first and of the last values; nil where there
// are too few for both.
func ends(values []float64) (first, last *float64) {
	if len(values) < 2*edge {
		return nil, nil
	}
	n := max(edge, len(values)/edgePart)
	median := func(list []float64) *float64 {
		list = slices.Sorted(slices.Values(list))
		return ptr(list[len(list)/2])
	}
	return median(values[:n]), median(values[len(values)-n:])
}

// grew is the largest ratio of end to beginning among the gateways, by what; ""
// where nobody's is known.
func grew(drifts []report.Drift, of func(report.Drift) (first, last *float64)) (ratio float64, node string) {
	for _, d := range drifts {
		first, last := of(d)
		if !strings.HasPrefix(d.Node, lab.RoleGateway) || first == nil || last == nil || *first <= 0 {
			continue
		}
		if r := *last / *first; r > ratio {
			ratio, node = r, d.Node
		}
	}
	return ratio, node
}

// judgeGrowth holds the gateways' end against their beginning.
func (x *experiment) judgeGrowth(out *report.Experiment, expect func(what, want, saw string, met bool)) {
	most := x.stage.Expect.GrowthMax
	if most == 0 {
		return
	}
	for _, one := range []struct {
		what string
		of   func(report.Drift) (first, last *float64)
	}{
		{"a gateway's goroutines, end against beginning", func(d report.Drift) (*float64, *float64) { return d.GoroutinesFirst, d.GoroutinesLast }},
		{"a gateway's memory, end against beginning", func(d report.Drift) (*float64, *float64) { return d.MemoryFirstMiB, d.MemoryLastMiB }},
	} {
		ratio, node := grew(out.Drift, one.of)
		saw := "too short to tell"
		if node != "" {
			saw = fmt.Sprintf("%.2f times (%s)", ratio, node)
		}
		expect(one.what, fmt.Sprintf("at most %g times", most), saw, node != "" && ratio <= most)
	}
}
