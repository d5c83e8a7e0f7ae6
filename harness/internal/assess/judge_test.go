package assess

import (
	"slices"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// failing is an attack of a thousand requests, of which some failed.
func failing(model string, kinds map[string]uint64) *Recording {
	res := &load.Result{Attack: load.Attack{Model: model}, Began: time.Unix(0, 0), Ended: time.Unix(1, 0), Errors: kinds}
	res.Requests, res.Successes = 1000, 1000
	for _, n := range kinds {
		res.Failed, res.Successes = res.Failed+n, res.Successes-n
	}
	return &Recording{Result: res, Round: 1}
}

// verdictOf is what a check of an attack says.
func verdictOf(m *Measurement, a *Recording, name string) measure.Check {
	all := measure.Run(m.Facts(a))
	return all[slices.IndexFunc(all, func(c measure.Check) bool { return c.Name == name })]
}

func TestFailuresBeyondTheBudgetAreNotValid(t *testing.T) {
	limited := scenario.Origin{ChatConcurrency: 32}
	kill := []scenario.Fault{{Kind: "kill", Target: "gateway-2"}}
	drawn := scenario.Random{Faults: kill, Gap: time.Second, Overlap: 1}
	minute := scenario.Attacks{Open: scenario.Open{Duration: time.Minute}}
	reset := func(n uint64) map[string]uint64 { return map[string]uint64{load.KindReset: n} }
	for _, c := range []struct {
		name  string
		stage scenario.Stage
		model string
		kinds map[string]uint64
		want  measure.Verdict
	}{
		{
			name: "the scenario's own budget counts", stage: scenario.Stage{SLO: slo.Objectives{slo.At(slo.Errors, "", 0.002)}},
			model: load.Open, kinds: reset(3), want: measure.Invalid,
		},
		{
			name: "also where it is a wide one", stage: scenario.Stage{SLO: slo.Objectives{slo.At(slo.Errors, "", 0.05)}},
			model: load.Open, kinds: reset(40), want: measure.OK,
		},
		{
			name: "without one it is one in a hundred", stage: scenario.Stage{},
			model: load.Open, kinds: reset(10), want: measure.OK,
		},
		{
			name: "and not more", stage: scenario.Stage{},
			model: load.Open, kinds: reset(11), want: measure.Invalid,
		},
		{
			name: "an origin keeps to its stated limit", stage: scenario.Stage{Origin: limited},
			model: load.Closed, kinds: map[string]uint64{load.KindOrigin429: 20}, want: measure.OK,
		},
		{
			name: "its refusals excuse no other failure", stage: scenario.Stage{Origin: limited},
			model: load.Closed, kinds: map[string]uint64{load.KindOrigin429: 1, load.KindReset: 11}, want: measure.Invalid,
		},
		{
			name: "an origin without a limit has nothing to refuse", stage: scenario.Stage{},
			model: load.Closed, kinds: map[string]uint64{load.KindOrigin429: 20}, want: measure.Invalid,
		},
		{
			name: "under faults failures are the subject", stage: scenario.Stage{Faults: kill},
			model: load.Open, kinds: reset(500), want: measure.Warning,
		},
		{
			name: "under faults that were drawn as well", stage: scenario.Stage{Random: drawn, Load: minute},
			model: load.Open, kinds: reset(500), want: measure.Warning,
		},
		{
			name: "before them they are not", stage: scenario.Stage{Faults: kill},
			model: load.Closed, kinds: reset(500), want: measure.Invalid,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := verdictOf(&Measurement{Stage: &c.stage, Empty: true}, failing(c.model, c.kinds), measure.Errors)
			if got.Verdict != c.want {
				t.Errorf("%s (%s), want %s", got.Verdict, got.Saw, c.want)
			}
		})
	}
}

func TestDrawnFaultsMayBreakConnections(t *testing.T) {
	s := &scenario.Stage{Random: scenario.Random{Faults: []scenario.Fault{{Kind: "kill", Target: "gateway-2"}}, Gap: time.Second, Overlap: 1}}
	s.Load.Open.Duration = time.Minute
	a := failing(load.Open, nil)
	a.Result.ConnectionsOpened = 500
	if got := verdictOf(&Measurement{Stage: s, Empty: true}, a, "connections"); got.Verdict != measure.OK {
		t.Errorf("%s (%s), want ok", got.Verdict, got.Saw)
	}
}
