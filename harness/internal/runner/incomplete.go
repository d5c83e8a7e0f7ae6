package runner

import (
	"strings"

	"gatelab/harness/internal/report"
)

// incomplete marks a result that is written although its run broke off: what
// was measured until then may be true, and what was to be shown was not. A nil
// error leaves the result as it is.
func incomplete(r *report.Result, err error) {
	if err == nil {
		return
	}
	r.Valid = false
	r.InvalidReasons = append(r.InvalidReasons, "incomplete: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	if r.Experiment != nil {
		r.Experiment.Passed = false
	}
	if r.Drill != nil {
		r.Drill.Passed = false
	}
}
