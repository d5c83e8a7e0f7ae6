package readings

import (
	"maps"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Use is what a node used between the first and the last reading.
type Use struct {
	lab.Usage
	Known bool // CPUSeconds is complete: the node is in the first reading and in a later one
}

// Spent is what each node used between the first and the last reading. A node
// that was restarted in between starts again at zero, so growth is added up step
// by step. The use of a node that is missing in the first reading, or that is
// seen once only, is incomplete (Known is false).
func Spent(readings []Reading) map[string]Use {
	total := map[string]Use{}
	before := map[string]lab.Usage{}
	for i, r := range readings {
		for name, u := range r.Usage {
			t := total[name]
			if prev, seen := before[name]; seen {
				if u.CPUSeconds < prev.CPUSeconds {
					prev = lab.Usage{}
				}
				more := u.CPUSeconds - prev.CPUSeconds
				if more > 1.5*float64(Cores())*r.At.Sub(readings[i-1].At).Seconds() {
					// The numbers of a process that has just ended may be those of
					// its parent: no node uses more than the whole machine.
					u.CPUSeconds, more = prev.CPUSeconds, 0
					r.Usage[name] = u
				}
				t.CPUSeconds += more
				t.ThrottledSeconds += max(0, u.ThrottledSeconds-prev.ThrottledSeconds)
				_, t.Known = readings[0].Usage[name]
			}
			t.MemoryPeakBytes = max(t.MemoryPeakBytes, u.MemoryBytes)
			total[name] = t
		}
		maps.Copy(before, r.Usage)
	}
	return total
}

// CPUByRole is the CPU time that the nodes of each role used together, in seconds.
// A role is left out if the use of one of its nodes is incomplete.
func CPUByRole(spent map[string]Use) map[string]float64 {
	out := map[string]float64{}
	for name, u := range spent {
		out[lab.RoleOf(name)] += u.CPUSeconds
	}
	for name, u := range spent {
		if !u.Known {
			delete(out, lab.RoleOf(name))
		}
	}
	return out
}

// Grown is how much a counter grew over the readings, over all gateways. ok is
// false when no gateway has it. A gateway counts from the first reading that has
// it: what it counted before that was not in this time.
func Grown(readings []Reading, name string, pairs ...string) (sum float64, ok bool) {
	before := map[string]float64{} // of every gateway that was seen: 0 where it had no such series yet
	for _, r := range readings {
		for node, m := range r.Gateways {
			v, has := m.Value(name, pairs...)
			prev, seen := before[node]
			if !has {
				if !seen {
					before[node] = 0
				}
				continue
			}
			ok = true
			if v < prev {
				prev = 0 // the replica was restarted
			}
			if seen {
				sum += v - prev
			}
			before[node] = v
		}
	}
	return sum, ok
}

// Highest is the largest value of a gauge in any reading of any one gateway.
func Highest(readings []Reading, name string, pairs ...string) (most float64, ok bool) {
	for _, r := range readings {
		for _, m := range r.Gateways {
			if v, has := m.Value(name, pairs...); has {
				most, ok = max(most, v), true
			}
		}
	}
	return most, ok
}

// HistogramGrowth is how much each bucket of a histogram grew, over all gateways
// of both the first and the last reading, by upper bound (cumulative, as
// Prometheus has it).
func HistogramGrowth(readings []Reading, name string, pairs ...string) map[float64]float64 {
	if len(readings) < 2 {
		return nil
	}
	first, last := readings[0].Gateways, readings[len(readings)-1].Gateways
	out := map[float64]float64{}
	for node, m := range last {
		before, known := first[node]
		if !known {
			continue
		}
		from, to := map[float64]float64{}, map[float64]float64{}
		before.Buckets(name, from, pairs...)
		m.Buckets(name, to, pairs...)
		for b, n := range to {
			if m.Observations(name) < before.Observations(name) {
				from[b] = 0 // the replica was restarted
			}
			out[b] += max(0, n-from[b])
		}
	}
	return out
}
