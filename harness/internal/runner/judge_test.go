package runner

import (
	"slices"
	"testing"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/scenario"
)

// failing is an attack of a thousand requests, of which some failed.
func failing(model string, kinds map[string]uint64) *attacked {
	res := &load.Result{Attack: load.Attack{Model: model}, Began: time.Unix(0, 0), Ended: time.Unix(1, 0), Errors: kinds}
	res.Requests, res.Successes = 1000, 1000
	for _, n := range kinds {
		res.Failed, res.Successes = res.Failed+n, res.Successes-n
	}
	return &attacked{round: 1, result: res}
}

// verdictOf is what a check of an attack says.
func verdictOf(m *measured, a *attacked, name string) measure.Check {
	all := measure.Run((&run{}).facts(m, a))
	return all[slices.IndexFunc(all, func(c measure.Check) bool { return c.Name == name })]
}

func TestFailuresBeyondTheBudgetAreNotValid(t *testing.T) {
	limited := scenario.Origin{ChatConcurrency: 32}
	kill := []scenario.Fault{{Kind: "kill", Target: "gateway-2"}}
	drawn := scenario.Random{Faults: kill, Gap: time.Second, Overlap: 1}
	minute := scenario.Attacks{Open: scenario.Open{Duration: time.Minute}}
	for _, c := range []struct {
		why   string
		stage scenario.Stage
		model string
		kinds map[string]uint64
		want  measure.Verdict
	}{
		{"the scenario's own budget counts", scenario.Stage{SLO: scenario.SLO{ErrorRate: 0.002}}, load.Open, map[string]uint64{load.KindReset: 3}, measure.Invalid},
		{"also where it is a wide one", scenario.Stage{SLO: scenario.SLO{ErrorRate: 0.05}}, load.Open, map[string]uint64{load.KindReset: 40}, measure.OK},
		{"without one it is one in a hundred", scenario.Stage{}, load.Open, map[string]uint64{load.KindReset: 10}, measure.OK},
		{"and not more", scenario.Stage{}, load.Open, map[string]uint64{load.KindReset: 11}, measure.Invalid},
		{"an origin keeps to its stated limit", scenario.Stage{Origin: limited}, load.Closed, map[string]uint64{load.KindOrigin429: 20}, measure.OK},
		{"its refusals excuse no other failure", scenario.Stage{Origin: limited}, load.Closed, map[string]uint64{load.KindOrigin429: 1, load.KindReset: 11}, measure.Invalid},
		{"an origin without a limit has nothing to refuse", scenario.Stage{}, load.Closed, map[string]uint64{load.KindOrigin429: 20}, measure.Invalid},
		{"under faults failures are the subject", scenario.Stage{Faults: kill}, load.Open, map[string]uint64{load.KindReset: 500}, measure.Warning},
		{"under faults that were drawn as well", scenario.Stage{Random: drawn, Load: minute}, load.Open, map[string]uint64{load.KindReset: 500}, measure.Warning},
		{"before them they are not", scenario.Stage{Faults: kill}, load.Closed, map[string]uint64{load.KindReset: 500}, measure.Invalid},
	} {
		if got := verdictOf(&measured{stage: &c.stage, reset: true}, failing(c.model, c.kinds), measure.Errors); got.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.why, got.Verdict, got.Saw, c.want)
		}
	}
}

func TestDrawnFaultsMayBreakConnections(t *testing.T) {
	s := &scenario.Stage{Random: scenario.Random{Faults: []scenario.Fault{{Kind: "kill", Target: "gateway-2"}}, Gap: time.Second, Overlap: 1}}
	s.Load.Open.Duration = time.Minute
	a := failing(load.Open, nil)
	a.result.ConnectionsOpened = 500
	if got := verdictOf(&measured{stage: s, reset: true}, a, "connections"); got.Verdict != measure.OK {
		t.Errorf("%s (%s), want ok", got.Verdict, got.Saw)
	}
}

// A gate's round has too few requests for a budget of one in a thousand.
func TestAGateCountsFailuresOverAllRounds(t *testing.T) {
	s := &armSum{stage: &scenario.Stage{SLO: scenario.SLO{ErrorRate: 0.001}}, status: map[int]uint64{}, errors: map[string]uint64{}, missed: map[string]*missedCheck{}}
	for round := range 10 {
		a := failing(load.Open, map[string]uint64{})
		if round == 0 {
			a = failing(load.Open, map[string]uint64{load.KindReset: 2})
		}
		s.add(a.result, 1, 1)
		for _, c := range measure.Run((&run{}).facts(&measured{stage: s.stage, reset: true}, a)) {
			s.note(round+1, c)
		}
	}
	for _, c := range s.stageOf().Checks {
		if c.Name == measure.Errors && c.Verdict != string(measure.OK) {
			t.Errorf("two failures in ten thousand: %s", c)
		}
	}
}
