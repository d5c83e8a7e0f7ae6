package runner

import (
	"path/filepath"

	"gatelab/harness/internal/report"
)

// overviewName is the run that sums experiments up; reports/latest-all-faults is
// the newest.
const overviewName = "all-faults"

// Overview sums experiments up in a report of its own, beside theirs.
func Overview(reports string, of []*report.Result) (*Outcome, error) {
	all, err := report.NewOverview(overviewName, of)
	if err != nil {
		return nil, err
	}
	r := &run{Options: Options{Reports: reports}, name: overviewName, id: all.RunID, result: all}
	dir, err := r.write()
	if err != nil {
		return nil, err
	}
	return &Outcome{Result: all, Dir: filepath.Clean(dir)}, nil
}
