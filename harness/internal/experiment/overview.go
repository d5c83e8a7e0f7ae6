package experiment

import (
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// overviewName is the run that sums experiments up; reports/latest-all-faults is the newest.
const overviewName = "all-faults"

// Overview sums experiments up in a report of its own, beside theirs.
func Overview(reports string, of []*result.Result) (*session.Outcome, error) {
	all, err := result.NewOverview(overviewName, of)
	if err != nil {
		return nil, err
	}
	return session.Write(reports, overviewName, all)
}
