package runner

import (
	"strings"
	"testing"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/scenario"
)

func newArm() *armSum {
	s := &scenario.Stage{Name: "proxy", Load: scenario.Attacks{Open: scenario.Open{Rate: 800, Duration: 2 * time.Second}}}
	return &armSum{stage: s, arm: "base", status: map[int]uint64{}, errors: map[string]uint64{}, missed: map[string]*missedCheck{}}
}

// A stage of a gate shows the latency that is compared, and a rate that was
// merely offered is no share of a ceiling.
func TestAnArmShowsWhatIsCompared(t *testing.T) {
	s := newArm()
	for round, took := range []time.Duration{5 * time.Millisecond, time.Second} {
		a := failing(load.Open, nil)
		for range 1000 {
			a.result.Corrected.Record(took)
			a.result.Service.Record(took)
		}
		s.add(a.result, 1, 1)
		if round == 0 { // the second one's p99 was excluded
			s.latencies(a.result)
		}
	}
	got := s.stageOf()
	if *got.Requests != 2000 {
		t.Errorf("%d requests, want those of both rounds", *got.Requests)
	}
	if *got.LatencyMS.Max > 6 || *got.ServiceLatencyMS.Max > 6 {
		t.Errorf("latencies up to %v ms and %v ms are of a round that was excluded", *got.LatencyMS.Max, *got.ServiceLatencyMS.Max)
	}
	if got.QPSOfCeiling != nil {
		t.Errorf("the offered rate is told as %v of the ceiling", *got.QPSOfCeiling)
	}
}

func TestAClosedAttackOfAGateIsChecked(t *testing.T) {
	s := newArm()
	a := failing(load.Closed, nil)
	a.result.Attack.Connections, a.result.InFlight, a.result.Hashed = 32, 32, 10
	checks := func(ceiling float64) []measure.Check {
		return measure.Run((&run{ceiling: ceiling}).facts(&measured{stage: s.stage, reset: true}, a))
	}
	if q := s.throughput(1, a.result, checks(5000)); q == nil || *q != 1000 {
		t.Errorf("a sound attack has a rate of %v, want 1000", q)
	}
	if q := s.throughput(2, a.result, checks(1500)); q != nil {
		t.Errorf("the generator's own limit is told as the arm's rate: %v", *q)
	}
	s.attacks = 2
	got := s.stageOf()
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "1 of 2 rounds is not used; round 2: generator's ceiling") || !got.Valid {
		t.Errorf("warnings %q, valid %v", got.Warnings, got.Valid)
	}
}
