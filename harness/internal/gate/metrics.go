package gate

import (
	"fmt"
	"math"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// PerWorkload is how many metrics of each workload may fail a gate. InAll is how
// many more there are: the error rate, and the CPU of all workloads together.
const (
	PerWorkload = 5
	InAll       = 2
)

// leastUsable is the share of a metric's pairs that must be fit for use: with
// fewer, what was left out may be what mattered.
const leastUsable = 0.75

// MetricTogether is CPU per request of all workloads as one metric: the geometric
// mean of their ratios. What makes every request slower by a little is seen in it
// before it is in any one of them, for what chance does to one workload it does
// not do to the others. So its margin is narrower (Margins.Together).
const MetricTogether = "all workloads " + MetricCPU

// metrics are a workload's, of arm against Base, and what was left out of them.
func (r *Record) metrics(workload, arm string, rounds []int) (out []stats.Metric, notes []string) {
	for _, m := range []struct {
		metric stats.Metric
		of     func(*Sample) *float64
	}{
		{stats.Metric{Name: MetricCPU, Margin: r.Margins.CPU}, cpu},
		{stats.Metric{Name: MetricP50, Margin: r.Margins.P50}, latency(func(s *Sample) *float64 { return s.P50MS })},
		{stats.Metric{Name: MetricP90, Margin: r.Margins.P90}, latency(func(s *Sample) *float64 { return s.P90MS })},
		{stats.Metric{Name: MetricP99, Margin: r.Margins.P99, Guard: true}, latency(tail)},
		{
			stats.Metric{Name: MetricQPS, Margin: r.Margins.Throughput, HigherBetter: true, Advisory: true},
			func(s *Sample) *float64 { return s.QPS },
		},
	} {
		one := m.metric
		one.Name = workload + " " + one.Name
		missing := 0
		for _, n := range rounds {
			a, b, ok := r.pair(workload, arm, n, m.of)
			if !ok {
				missing++
				continue
			}
			one.A, one.B = append(one.A, a), append(one.B, b)
		}
		if missing == len(rounds) && one.Advisory {
			continue // the workload has no such attack
		}
		if missing > 0 {
			notes = append(notes, fmt.Sprintf("%s of %s: %d of %d pairs are not fit for use", one.Name, arm, missing, len(rounds)))
		}
		if float64(len(one.A)) < leastUsable*float64(len(rounds)) {
			one.A, one.B = nil, nil
		}
		one.Margin = max(one.Margin, r.latencyMargin(m.metric.Name, one.A))
		out = append(out, one)
	}
	if slow, ok := r.slow(workload, arm, rounds); ok {
		out = append(out, slow)
	}
	return out, notes
}

// latencyMargin is the share of a base's p50 or p90 that Margins.Latency is; 0 of other
// metrics. Where a hit takes 0.1 ms, a tenth of it is less than waking a core takes.
func (r *Record) latencyMargin(metric string, base []float64) float64 {
	if (metric != MetricP50 && metric != MetricP90) || len(base) == 0 {
		return 0
	}
	if ms := stats.Median(base); ms > 0 {
		return r.Margins.Latency / ms
	}
	return 0
}

// pair are a figure of Base and of arm in a round; not ok where one lacks. Head
// is compared with both replicas of Base's build, their geometric mean: that takes
// a quarter off the variance of a pair, for nothing, since the control is measured
// anyway. What is wrong with a replica of Base the control says.
func (r *Record) pair(workload, arm string, round int, of func(*Sample) *float64) (base, other float64, ok bool) {
	figure := func(arm string) *float64 {
		if s := r.sample(workload, arm, round); s != nil {
			return of(s)
		}
		return nil
	}
	a, b := figure(Base), figure(arm)
	if a == nil || b == nil {
		return 0, 0, false
	}
	base = *a
	if again := figure(Again); arm == Head && again != nil {
		base = math.Sqrt(base * *again)
	}
	return base, *b, true
}

// together is MetricTogether of arm against Base, from the rounds in which every
// workload was measured.
func (r *Record) together(arm string, rounds []int) stats.Metric {
	out := stats.Metric{Name: MetricTogether, Margin: r.Margins.Together}
	for _, n := range rounds {
		logA, logB := 0.0, 0.0
		share := 1 / float64(len(r.Workloads))
		whole := true
		for _, w := range r.Workloads {
			a, b, ok := r.pair(w, arm, n, cpu)
			if !ok {
				whole = false
				break
			}
			logA, logB = logA+share*math.Log(a), logB+share*math.Log(b)
		}
		if whole {
			out.A, out.B = append(out.A, math.Exp(logA)), append(out.B, math.Exp(logB))
		}
	}
	if float64(len(out.A)) < leastUsable*float64(len(rounds)) {
		out.A, out.B = nil, nil
	}
	return out
}

func cpu(s *Sample) *float64 { return s.CPUUS }

// latency is a figure of samples whose attack the generator kept up with.
func latency(of func(*Sample) *float64) func(*Sample) *float64 {
	return func(s *Sample) *float64 {
		if len(s.Pressed) > 0 {
			return nil
		}
		return of(s)
	}
}

// tail is a sample's p99 where the generator was on time throughout.
func tail(s *Sample) *float64 {
	if len(s.Excluded) > 0 {
		return nil
	}
	return s.P99MS
}
