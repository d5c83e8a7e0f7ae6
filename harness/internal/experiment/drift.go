package experiment

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// The beginning and the end of the load are the medians of the first and of the
// last tenth of the readings, of at least edge of them: one reading alone may fall
// into a garbage collection, or on a gateway that has just restarted.
const (
	edge     = 5
	edgePart = 10
)

// drift is each node's memory and goroutines at the beginning of the load and at
// its end, and how often the node restarted meanwhile.
func drift(all []readings.Reading) []result.Drift {
	nodes := map[string]bool{}
	for _, r := range all {
		for n := range r.Usage {
			nodes[n] = true
		}
	}
	var out []result.Drift
	for _, node := range slices.Sorted(maps.Keys(nodes)) {
		var memory, routines, starts []float64
		for _, r := range all {
			if u, ok := r.Usage[node]; ok && u.MemoryBytes > 0 {
				memory = append(memory, float64(u.MemoryBytes)/(1<<20))
			}
			m, ok := r.Gateways[node]
			if !ok {
				continue
			}
			if v, ok := m.Value("go_goroutines"); ok {
				routines = append(routines, v)
			}
			if v, ok := m.Value("process_start_time_seconds"); ok {
				starts = append(starts, v)
			}
		}
		d := result.Drift{Node: node}
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
		return &list[len(list)/2]
	}
	return median(values[:n]), median(values[len(values)-n:])
}

// grew is the largest ratio of end to beginning among the gateways, and that
// gateway; "" if none is known.
func grew(drifts []result.Drift, of func(result.Drift) (first, last *float64)) (ratio float64, node string) {
	for _, d := range drifts {
		first, last := of(d)
		if !strings.HasPrefix(d.Node, topology.RoleGateway) || first == nil || last == nil || *first <= 0 {
			continue
		}
		if r := *last / *first; r > ratio {
			ratio, node = r, d.Node
		}
	}
	return ratio, node
}
