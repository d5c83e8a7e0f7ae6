package result_test

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestKind(t *testing.T) {
	for want, r := range map[result.Kind]*result.Result{
		result.KindScenario:   {Stages: []result.Stage{{}}},
		result.KindExperiment: {Experiment: &result.Experiment{}},
		result.KindCapacity:   {Capacity: []result.Capacity{{}}, Stages: []result.Stage{{}}},
		result.KindGate:       {Comparison: &result.Comparison{}, Matrix: &result.Matrix{}},
		result.KindComparison: {Matrix: &result.Matrix{}},
		result.KindDrill:      {Drill: &result.Drill{}},
		result.KindScale:      {Scale: &result.Scale{}, Stages: []result.Stage{{}}},
		result.KindOverview:   {Overview: &result.Overview{}},
	} {
		if got := r.Kind(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
