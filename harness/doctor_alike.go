package main

import (
	"fmt"
	"slices"
	"time"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/load"
)

// alike is how much the same thing, measured twice in turns as a gate does it,
// is the same.
type alike struct {
	what   string
	noise  gate.Noise
	ok     bool    // it was measured
	margin float64 // the gate's; 0: no gate has one
	guard  bool    // it can fail a gate, and holds no pass up
}

// Of the doctor's measurement: pairs whose arms take turns, as a gate's do, at the
// highest rate in scenarios/gate.yaml: at a lower one, cores that sleep between
// requests differ more than a gate's do.
const (
	gateRate     = 3000 // requests/s
	doctorPairs  = 8
	doctorTurns  = 5 // of each arm
	doctorTurn   = 250 * time.Millisecond
	doctorWarmup = 50 * time.Millisecond
)

// conclusion says what may be concluded of one figure.
func (a alike) conclusion() string {
	switch {
	case !a.ok:
		return a.what + ": nothing can be concluded, it was not measured"
	case a.margin == 0:
		return fmt.Sprintf("%s: differences below %.0f%% between two single runs are noise", a.what, 2*100*a.noise.CV)
	}
	found, within := a.noise.Detectable(18, a.margin)
	s := fmt.Sprintf("%s: a gate of 18 pairs finds a rise of %.0f%% or more, four times of five", a.what, (found-1)*100)
	switch {
	case within >= 1:
		return s + fmt.Sprintf("; one of up to %.0f%% passes", (within-1)*100)
	case a.guard:
		return s + "; less is not told, which holds no pass up"
	}
	return s + fmt.Sprintf("; equal builds will often be INCONCLUSIVE at a margin of %.0f%%", a.margin*100)
}

// attacker attacks the null server.
type attacker func(model string, rate float64, connections int, d time.Duration) (*load.Result, error)

// compare measures the same thing twice, in turns, and how much it differs.
func (m *measuredMachine) compare(attack attacker) error {
	const a, b = "a", "b"
	kinds := []alike{
		{what: "CPU per request", margin: gate.DefaultMargins().CPU},
		{what: "p50", margin: gate.DefaultMargins().P50},
		{what: "p90", margin: gate.DefaultMargins().P90},
		{what: "p99", margin: gate.DefaultMargins().P99, guard: true},
		{what: "QPS"},
	}
	series := make([]map[string][]float64, len(kinds))
	for i := range series {
		series[i] = map[string][]float64{}
	}
	var lags []float64
	for pair := range doctorPairs {
		arms := map[string]*doctorArm{a: {}, b: {}}
		for turn := range doctorTurns {
			for _, name := range gate.Order([]string{a, b}, pair+turn+1) {
				if err := arms[name].turn(attack, m.rate); err != nil {
					return err
				}
			}
		}
		for name, arm := range arms {
			for i, v := range []float64{arm.cpu / max(arm.requests, 1), median(arm.p50), median(arm.p90), median(arm.p99), median(arm.qps)} {
				series[i][name] = append(series[i][name], v)
			}
			lags = append(lags, arm.lags...)
		}
	}
	for i := range kinds {
		kinds[i].noise, kinds[i].ok = gate.NoiseOf(series[i][a], series[i][b])
	}
	m.alike, m.lagP99 = kinds, median(lags)
	return nil
}

// doctorArm is one arm of a pair, by turn.
type doctorArm struct {
	cpu, requests            float64 // seconds, of all turns
	p50, p90, p99, qps, lags []float64
}

func (d *doctorArm) turn(attack attacker, rate float64) error {
	open, err := attack(load.Open, rate, 16, doctorTurn)
	if err != nil {
		return fmt.Errorf("open-loop: %w", err)
	}
	closed, err := attack(load.Closed, 0, 64, doctorTurn)
	if err != nil {
		return fmt.Errorf("closed-loop: %w", err)
	}
	d.cpu += open.WorkerCPUSeconds
	d.requests += float64(open.Requests)
	d.p50 = append(d.p50, float64(open.Corrected.Quantile(0.5)))
	d.p90 = append(d.p90, float64(open.Corrected.Quantile(0.9)))
	d.p99 = append(d.p99, float64(open.Corrected.Quantile(0.99)))
	d.qps = append(d.qps, closed.QPS())
	d.lags = append(d.lags, open.Lag.Quantile(0.99).Seconds()*1000)
	return nil
}

// median is the upper one; 0 of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}
