package doctor

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// repeatability says how much one metric differs between two series of measurements of the same thing, taken in turns as in a gate.
type repeatability struct {
	metric   string
	noise    stats.Noise
	measured bool
	margin   float64 // the gate's; 0: no gate has one
	guard    bool    // it can fail a gate, and does not block a pass
}

// The pairs that are measured. Their arms take turns, as a gate's do, at the highest rate in scenarios/gate.yaml: at a lower one, cores
// that sleep between requests differ more than in a gate.
const (
	gateRate = 3000 // requests/s
	pairs    = 8
	turns    = 5 // of each arm
	turn     = 250 * time.Millisecond
	warmup   = 50 * time.Millisecond
)

// gatePairs is the number of pairs in a gate that was extended.
const gatePairs = 18

// conclusion says what can be concluded from the metric.
func (r repeatability) conclusion() string {
	switch {
	case !r.measured:
		return r.metric + ": nothing can be concluded, it was not measured"
	case r.margin == 0:
		return fmt.Sprintf("%s: differences below %.0f%% between two single runs are noise", r.metric, 2*100*r.noise.CV)
	}
	found, within := gate.Detectable(r.noise, gatePairs, r.margin)
	s := fmt.Sprintf("%s: a gate of %d pairs detects a rise of %.0f%% or more in four of five cases", r.metric, gatePairs, (found-1)*100)
	switch {
	case within >= 1:
		return s + fmt.Sprintf("; one of up to %.0f%% passes", (within-1)*100)
	case r.guard:
		return s + "; smaller rises go undetected and do not block a pass"
	}
	return s + fmt.Sprintf("; equal builds will often be INCONCLUSIVE at a margin of %.0f%%", r.margin*100)
}

// attackFunc attacks the null server.
type attackFunc func(model string, rate float64, connections int, d time.Duration) (*load.Result, error)

// repeat measures the same thing twice, in turns, and how much the two series differ.
func (m *machine) repeat(attack attackFunc) error {
	const a, b = "a", "b"
	margins := gate.DefaultMargins()
	metrics := []repeatability{
		{metric: "CPU per request", margin: margins.CPU},
		{metric: "p50", margin: margins.P50},
		{metric: "p90", margin: margins.P90},
		{metric: "p99", margin: margins.P99, guard: true},
		{metric: "QPS"},
	}
	series := make([]map[string][]float64, len(metrics))
	for i := range series {
		series[i] = map[string][]float64{}
	}
	var lags []float64
	for pair := range pairs {
		arms := map[string]*arm{a: {}, b: {}}
		for n := range turns {
			for _, name := range stats.Order([]string{a, b}, pair+n+1) {
				if err := arms[name].turn(attack, m.rate); err != nil {
					return err
				}
			}
		}
		for name, arm := range arms {
			for i, v := range arm.values() {
				series[i][name] = append(series[i][name], v)
			}
			lags = append(lags, arm.lags...)
		}
	}
	for i := range metrics {
		metrics[i].noise, metrics[i].measured = stats.NoiseOf(series[i][a], series[i][b])
	}
	m.metrics, m.lagP99 = metrics, median(lags)
	return nil
}

// arm is one arm of a pair.
type arm struct {
	cpuSeconds float64 // of all turns
	requests   float64 // likewise
	// By turn; latencies in nanoseconds, lags in milliseconds.
	p50, p90, p99, qps, lags []float64
}

// turn attacks once open-loop and once closed-loop.
func (a *arm) turn(attack attackFunc, rate float64) error {
	open, err := attack(load.Open, rate, 16, turn)
	if err != nil {
		return fmt.Errorf("open-loop: %w", err)
	}
	closed, err := attack(load.Closed, 0, 64, turn)
	if err != nil {
		return fmt.Errorf("closed-loop: %w", err)
	}
	a.cpuSeconds += open.WorkerCPUSeconds
	a.requests += float64(open.Requests)
	a.p50 = append(a.p50, float64(open.Corrected.Quantile(0.5)))
	a.p90 = append(a.p90, float64(open.Corrected.Quantile(0.9)))
	a.p99 = append(a.p99, float64(open.Corrected.Quantile(0.99)))
	a.qps = append(a.qps, closed.QPS())
	a.lags = append(a.lags, open.Lag.Quantile(0.99).Seconds()*1000)
	return nil
}

// values are the arm's values, in the order of the metrics.
func (a *arm) values() []float64 {
	return []float64{a.cpuSeconds / max(a.requests, 1), median(a.p50), median(a.p90), median(a.p99), median(a.qps)}
}

// median is the upper one; 0 if there are no values.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}
