package runner

import (
	"maps"

	"gatelab/harness/internal/lab"
)

// use is what a node used between the first and the last reading.
type use struct {
	lab.Usage
	known bool // of CPU: the node is in the first reading and in a later one
}

// spent is what each node used between the first and the last reading. A node
// that was restarted in between starts again at zero, so the growth is added up
// step by step. What a node that is missing in the first reading had used until
// it is seen is nobody's to say, and so is what one used that is seen but once.
func spent(readings []reading) map[string]use {
	total := map[string]use{}
	before := map[string]lab.Usage{}
	for i, r := range readings {
		for name, u := range r.usage {
			t := total[name]
			if prev, seen := before[name]; seen {
				if u.CPUSeconds < prev.CPUSeconds {
					prev = lab.Usage{}
				}
				more := u.CPUSeconds - prev.CPUSeconds
				if more > 1.5*float64(hostCores())*r.at.Sub(readings[i-1].at).Seconds() {
					// A process that just died lends its place in /proc to its
					// parent's: nobody uses more than the whole machine.
					u.CPUSeconds, more = prev.CPUSeconds, 0
					r.usage[name] = u
				}
				t.CPUSeconds += more
				t.ThrottledSeconds += max(0, u.ThrottledSeconds-prev.ThrottledSeconds)
				_, t.known = readings[0].usage[name]
			}
			t.MemoryPeakBytes = max(t.MemoryPeakBytes, u.MemoryBytes)
			total[name] = t
		}
		maps.Copy(before, r.usage)
	}
	return total
}

// cpuByRole is the CPU that the nodes of each role used together, in seconds. A
// role is left out where it is not known of one of its nodes: the others' alone
// would pass for all of it.
func cpuByRole(spent map[string]use) map[string]float64 {
	out := map[string]float64{}
	for name, u := range spent {
		out[roleOf(name)] += u.CPUSeconds
	}
	for name, u := range spent {
		if !u.known {
			delete(out, roleOf(name))
		}
	}
	return out
}

// grown is how much a counter grew over the readings, over all gateways. ok is
// false when no gateway has it. A gateway counts from the first reading that has
// it: what it counted before that was not in this time.
func grown(readings []reading, name string, pairs ...string) (sum float64, ok bool) {
	before := map[string]float64{} // of every gateway that was seen: 0 where it had no such series yet
	for _, r := range readings {
		for node, m := range r.gateways {
			v, has := m.value(name, pairs...)
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

// highest is the largest value of a gauge in any reading of any one gateway.
func highest(readings []reading, name string, pairs ...string) (most float64, ok bool) {
	for _, r := range readings {
		for _, m := range r.gateways {
			if v, has := m.value(name, pairs...); has {
				most, ok = max(most, v), true
			}
		}
	}
	return most, ok
}

// histogramGrowth is how much each bucket of a histogram grew, over all gateways
// of both the first and the last reading, by upper bound (cumulative, as
// Prometheus has it).
func histogramGrowth(readings []reading, name string, pairs ...string) map[float64]float64 {
	if len(readings) < 2 {
		return nil
	}
	first, last := readings[0].gateways, readings[len(readings)-1].gateways
	out := map[float64]float64{}
	for node, m := range last {
		before, known := first[node]
		if !known {
			continue
		}
		from, to := map[float64]float64{}, map[float64]float64{}
		before.buckets(name, from, pairs...)
		m.buckets(name, to, pairs...)
		for b, n := range to {
			if m.observations(name) < before.observations(name) {
				from[b] = 0 // the replica was restarted
			}
			out[b] += max(0, n-from[b])
		}
	}
	return out
}
