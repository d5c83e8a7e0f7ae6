package scenario_test

import (
	"slices"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// The experiments with regions break what they say, and are over before their load.
func TestScenariosOfRegions(t *testing.T) {
	for file, target := range map[string]string{"regions.yaml": "region-a", "regions-cut.yaml": "postgres"} {
		s := load(t, "../../../scenarios/"+file)
		for _, profile := range []string{"smoke", "full"} {
			p := plan(t, s, profile)
			if len(p) != 1 {
				t.Fatalf("%s, %s: stages %s", file, profile, names(p))
			}
			one := p[0]
			link := scenario.Link{Latency: 40 * time.Millisecond, Jitter: 4 * time.Millisecond, Loss: 0.01}
			want := []scenario.Region{{Name: "a", Replicas: 2}, {Name: "b", Replicas: 2, Link: link}}
			if !slices.Equal(one.Topology.Regions, want) || one.Topology.Replicas != 4 || one.Topology.Balancers != 2 {
				t.Errorf("%s, %s: %+v", file, profile, one.Topology)
			}
			schedule := one.Schedule()
			if len(schedule) != 1 || schedule[0].Target != target {
				t.Fatalf("%s, %s: schedule %+v", file, profile, schedule)
			}
			if end := schedule[0].At + schedule[0].RecoverAfter; end+10*time.Second > one.Load.Open.Duration {
				t.Errorf("%s, %s: nothing is seen of the time after %s", file, profile, end)
			}
			// All requests are kept one by one.
			if n := one.Load.Open.Rate * one.Load.Open.Duration.Seconds(); n > 100_000 {
				t.Errorf("%s, %s: %.0f requests", file, profile, n)
			}
		}
	}
}
