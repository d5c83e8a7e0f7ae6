package report

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// validityText says how many checks there were and what came of them.
func validityText(r *result.Result) string {
	count := map[measure.Verdict]int{}
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
	if all == 0 && r.Matrix != nil {
		return "Every cell was checked. Cells that are not valid show the reason."
	}
	if all == 0 {
		return "There were no checks."
	}
	return fmt.Sprintf("%d checks: %d ok, %d with a warning, %d INVALID, %d not applicable.",
		all, count[measure.OK], count[measure.Warning], count[measure.Invalid], count[measure.Skipped])
}

// troubleGrid are the checks that were not ok, with what to do about each. What is
// INVALID comes first.
func troubleGrid(r *result.Result) grid {
	g := grid{
		Title: "Checks that did not pass",
		Heads: []string{"stage", "check", "attack", "observed", "wanted", "verdict", "remedy"},
		Text:  []bool{true, true, true, true, true, true, true},
	}
	for _, verdict := range []measure.Verdict{measure.Invalid, measure.Warning} {
		for i := range r.Stages {
			for _, c := range r.Stages[i].Checks {
				if c.Verdict == verdict {
					g.add(verdict == measure.Invalid, stageLabel(&r.Stages[i]), c.Name, c.Attack, c.Saw, c.Limit, loud(c.Verdict), measure.Remedy(c.Name))
				}
			}
		}
	}
	return g
}

// loud is a verdict as people read it.
func loud(verdict measure.Verdict) string {
	if verdict == measure.Invalid {
		return "INVALID"
	}
	return string(verdict)
}
