package cost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestNewestRunIsOfAScenario(t *testing.T) {
	reports := t.TempDir()
	if _, err := NewestRun(reports); err == nil || !strings.Contains(err.Error(), "no run of a scenario") {
		t.Errorf("without runs: %v", err)
	}
	stages := func() []result.Stage { return []result.Stage{{Name: "cache", Valid: true}} }
	for _, r := range []*result.Result{
		{RunID: "20260101T000000Z-all", Stages: stages()},
		{RunID: "20260102T000000Z-cache", Stages: stages()},
		{RunID: "20260103T000000Z-kill-gateway", Stages: stages(), Experiment: &result.Experiment{}},
		{RunID: "20260104T000000Z-gate", Stages: stages(), Comparison: &result.Comparison{}},
		{RunID: "20260105T000000Z-multi", Capacity: []result.Capacity{{}}},
	} {
		if err := r.Write(filepath.Join(reports, "runs", r.RunID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(reports, "runs", "20260106T000000Z-cache"), 0o755); err != nil { // it was killed
		t.Fatal(err)
	}
	got, err := NewestRun(reports)
	if err != nil || filepath.Base(got) != "20260102T000000Z-cache" {
		t.Errorf("the newest run is %q, error %v", got, err)
	}
}
