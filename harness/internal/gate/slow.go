package gate

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// slowTimes are what Sample.Slower counts beyond, in ms.
var slowTimes = []float64{2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}

// Slower counts the requests that took longer than each of a sample's times. above is the
// number of requests that took longer than a time.
func Slower(above func(time.Duration) uint64) []uint64 {
	out := make([]uint64, len(slowTimes))
	for i, ms := range slowTimes {
		out[i] = above(time.Duration(ms * float64(time.Millisecond)))
	}
	return out
}

// Of slowThreshold.
const (
	leastSlow = 10.0 // ms: what a busy host's scheduler does to a request is mostly below
	timesP90  = 4.0
)

// slowThreshold is the index of the time in slowTimes beyond which a request of a workload
// is slow: four times the median of the base's p90, and ten milliseconds at least.
func (r *Record) slowThreshold(workload string, rounds []int) int {
	var p90 []float64
	for _, n := range rounds {
		if s := r.sample(workload, Base, n); s != nil && s.P90MS != nil {
			p90 = append(p90, *s.P90MS)
		}
	}
	least := leastSlow
	if len(p90) > 0 {
		least = max(least, timesP90*stats.Median(p90))
	}
	for i, ms := range slowTimes {
		if ms >= least {
			return i
		}
	}
	return len(slowTimes) - 1
}

// slow is MetricSlow of a workload, and whether the record has it. A percentile of few
// requests, such as p99, moves with every stall of the host, and is not to be had where the
// generator was late; a share of all requests that were long needs neither. The base is the
// mean of both its replicas.
func (r *Record) slow(workload, arm string, rounds []int) (stats.Metric, bool) {
	out := stats.Metric{Name: workload + " " + MetricSlow, Margin: r.Margins.Slow, Guard: true, Shares: true}
	at := r.slowThreshold(workload, rounds)
	for _, n := range rounds {
		a, okA := slowShare(r.sample(workload, Base, n), at)
		b, okB := slowShare(r.sample(workload, arm, n), at)
		if !okA || !okB {
			continue
		}
		if again, ok := slowShare(r.sample(workload, Again, n), at); ok && arm == Head {
			a = (a + again) / 2
		}
		out.A, out.B = append(out.A, a), append(out.B, b)
	}
	return out, len(out.A) >= stats.MinPairs
}

func slowShare(s *Sample, at int) (float64, bool) {
	if s == nil || len(s.Slower) != len(slowTimes) || s.Requests == 0 || len(s.Pressed) > 0 {
		return 0, false
	}
	return float64(s.Slower[at]) / float64(s.Requests), true
}
