package report

import (
	"fmt"

	"gatelab/harness/internal/measure"
)

// validity says how many checks there were and what came of them.
func (r *Result) validity() string {
	count := map[string]int{}
	all := 0
	for i := range r.Stages {
		for _, c := range r.Stages[i].Checks {
			count[c.Verdict]++
			all++
		}
	}
	if all == 0 && r.Overview != nil {
		return "Every experiment was checked in its own run."
	}
	if all == 0 {
		return "No check was made."
	}
	return fmt.Sprintf("%d checks: %d ok, %d with a warning, %d INVALID, %d not applicable.",
		all, count[OK], count[Warning], count[Invalid], count[Skipped])
}

// troubles are the checks that were not ok, with what to do about each. What is
// INVALID comes first.
func (r *Result) troubles() grid {
	g := grid{Title: "What was not ok", Heads: []string{"stage", "check", "attack", "seen", "wanted", "verdict", "remedy"}, Text: []bool{true, true, true, true, true, true, true}}
	for _, verdict := range []string{Invalid, Warning} {
		for i := range r.Stages {
			for _, c := range r.Stages[i].Checks {
				if c.Verdict == verdict {
					g.add(verdict == Invalid, r.Stages[i].label(), c.Name, c.Attack, c.Saw, c.Limit, loud(c.Verdict), c.remedy())
				}
			}
		}
	}
	return g
}

// remedy is what to do about a check that was not ok.
func (c Check) remedy() string { return measure.Check{Name: c.Name}.Remedy() }

// loud is a verdict as people read it.
func loud(verdict string) string {
	if verdict == Invalid {
		return "INVALID"
	}
	return verdict
}
