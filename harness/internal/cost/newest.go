package cost

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// NewestRun is the folder of the newest run of a scenario's stages below a folder of reports. Runs of other commands are passed over: what
// an experiment, a gate or a drill measures is a gateway that is broken, or several at a time.
func NewestRun(reports string) (dir string, err error) {
	runs := filepath.Join(reports, "runs")
	entries, err := os.ReadDir(runs)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	slices.Reverse(entries) // a run's name begins with its time
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		b, err := os.ReadFile(filepath.Join(dir, result.FileJSON))
		if err != nil {
			continue // it ended without a result
		}
		if r, err := result.Parse(b); err == nil && ofScenario(r) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s has no run of a scenario: measure one first (harness run)", runs)
}

// ofScenario says whether a run is one of a scenario's stages.
func ofScenario(r *result.Result) bool {
	return len(r.Stages) > 0 && r.Experiment == nil && r.Comparison == nil && r.Matrix == nil && r.Drill == nil && r.Overview == nil &&
		len(r.Capacity) == 0
}
