package cost

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestFromRun(t *testing.T) {
	run := &result.Result{RunID: "r1", Stages: []result.Stage{
		{Name: "idle", Valid: true},
		{
			Name:            "cache",
			CPUPerRequestUS: map[string]float64{"gateway": 100, "lb": 20, "redis": 5, "worker": 999, "origin": 999, "link": 999},
			MemoryPeakMiB:   map[string]float64{"gateway-1": 40, "gateway-2": 60, "postgres": 500},
		},
	}}
	for _, row := range []struct {
		name, stage string
		want        Demand
		basis, err  string
	}{
		{name: "the last stage", want: Demand{CPUUS: 125, MemoryMiB: 60}, basis: "in run r1, stage cache (INVALID)"},
		{name: "a stage by name", stage: "cache", want: Demand{CPUUS: 125, MemoryMiB: 60}, basis: "stage cache"},
		{name: "a stage that was not measured", stage: "multi", err: `run r1 has no stage "multi"`},
		{name: "a stage without figures", stage: "idle", err: "did not measure CPU per request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, basis, err := FromRun(run, row.stage)
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Errorf("error %v, want %q", err, row.err)
				}
				return
			}
			if err != nil || got != row.want || !strings.Contains(basis, row.basis) {
				t.Errorf("got %+v, %q, %v; want %+v, %q", got, basis, err, row.want, row.basis)
			}
		})
	}
}
