package compare

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

func newArm() *armSum {
	s := &scenario.Stage{Name: "proxy", Load: scenario.Attacks{Open: scenario.Open{Rate: 800, Duration: 2 * time.Second}}}
	return &armSum{stage: s, arm: "base", status: map[int]uint64{}, errors: map[string]uint64{}, missed: map[string]*missedCheck{}}
}

// failing is an attack of a thousand requests, of which some failed.
func failing(model string, kinds map[string]uint64) *assess.Recording {
	res := &load.Result{Attack: load.Attack{Model: model}, Began: time.Unix(0, 0), Ended: time.Unix(1, 0), Errors: kinds}
	res.Requests, res.Successes = 1000, 1000
	for _, n := range kinds {
		res.Failed, res.Successes = res.Failed+n, res.Successes-n
	}
	return &assess.Recording{Result: res, Round: 1}
}

// A gate's round has too few requests for a budget of one in a thousand.
func TestAGateCountsFailuresOverAllRounds(t *testing.T) {
	s := newArm()
	s.stage.SLO = slo.Objectives{slo.At(slo.Errors, "", 0.001)}
	for round := range 10 {
		a := failing(load.Open, map[string]uint64{})
		if round == 0 {
			a = failing(load.Open, map[string]uint64{load.KindReset: 2})
		}
		s.add(a.Result, 1, 1)
		for _, c := range measure.Run((&assess.Measurement{Stage: s.stage, Empty: true}).Facts(a)) {
			s.note(round+1, c)
		}
	}
	seen := false
	for _, c := range s.stageOf().Checks {
		seen = seen || c.Name == measure.Errors
		if c.Name == measure.Errors && c.Verdict != measure.OK {
			t.Errorf("two failures in ten thousand: %s", c)
		}
	}
	if !seen {
		t.Error("failures are not checked")
	}
}

// A stage of a gate shows the latency that is compared, and a rate that was
// merely offered is no share of a ceiling.
func TestAnArmShowsWhatIsCompared(t *testing.T) {
	s := newArm()
	for round, took := range []time.Duration{5 * time.Millisecond, time.Second} {
		a := failing(load.Open, nil)
		for range 1000 {
			a.Result.Corrected.Record(took)
			a.Result.Service.Record(took)
		}
		s.add(a.Result, 1, 1)
		if round == 0 { // the second one's p99 was excluded
			s.latencies(a.Result)
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
	a.Result.Attack.Connections = 32
	a.Result.InFlight, a.Result.Hashed = 32, 10
	checks := func(ceiling float64) []measure.Check {
		m := &assess.Measurement{Stage: s.stage, Empty: true, Conditions: assess.Conditions{CeilingQPS: ceiling}}
		return measure.Run(m.Facts(a))
	}
	if q := s.throughput(1, a.Result, checks(5000)); q == nil || *q != 1000 {
		t.Errorf("a sound attack has a rate of %v, want 1000", q)
	}
	if q := s.throughput(2, a.Result, checks(1500)); q != nil {
		t.Errorf("the generator's own limit is told as the arm's rate: %v", *q)
	}
	s.attacks = 2
	got := s.stageOf()
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "1 of 2 rounds is not used; round 2: generator's ceiling") || !got.Valid {
		t.Errorf("warnings %q, valid %v", got.Warnings, got.Valid)
	}
}
