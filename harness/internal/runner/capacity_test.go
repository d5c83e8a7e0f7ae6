package runner

import (
	"slices"
	"testing"

	"gatelab/harness/internal/capacity"
	"gatelab/harness/internal/scenario"
)

func searchingOf(t *testing.T, stage string) *searching {
	t.Helper()
	slo, err := capacity.ParseSLO("p99<100ms,errors<1%")
	if err != nil {
		t.Fatal(err)
	}
	o := CapacityOptions{Options: Options{File: "../../../scenarios/ladder.yaml", Stages: []string{stage}, Reports: t.TempDir(), Console: NewConsole(t.Output())}, Replicas: []int{1, 2}}
	o.Plan.SLO = slo
	r, err := prepare(o.Options)
	if err != nil {
		t.Fatal(err)
	}
	s := &searching{run: r, options: o}
	if err := s.choose(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCapacityOfOneStageIsSearchedWithEachNumberOfReplicas(t *testing.T) {
	s := searchingOf(t, "multi")
	if len(s.subject) != 2 || s.subject[0].Name != "multi-1" || s.subject[1].Name != "multi-2" || s.subject[1].Topology.Replicas != 2 {
		t.Errorf("subjects %q of %d replicas: want multi-1 and multi-2", names(s.subject), s.subject[len(s.subject)-1].Topology.Replicas)
	}
}

func TestCapacityOfEveryStageIsSearchedAsItStands(t *testing.T) {
	s := searchingOf(t, scenario.All)
	if got, want := names(s.subject), []string{"baseline", "pool", "cache", "limits", "multi"}; !slices.Equal(got, want) {
		t.Errorf("subjects %q, want %q: every stage but the edge", got, want)
	}
	for _, one := range s.subject {
		want := 1
		if one.Name == "multi" {
			want = 3
		}
		if one.Topology.Replicas != want {
			t.Errorf("%s: %d replicas, want %d", one.Name, one.Topology.Replicas, want)
		}
		if len(one.Schedule()) > 0 || one.Load.Probe.Rate > 0 || one.Published != nil {
			t.Errorf("%s: faults, probes or published figures in a search", one.Name)
		}
		if one.SLO != (scenario.SLO{P99: s.options.Plan.SLO.P99, ErrorRate: s.options.Plan.SLO.ErrorRate}) {
			t.Errorf("%s: held to %+v, not to what was asked for", one.Name, one.SLO)
		}
	}
}

func names(stages []scenario.Stage) []string {
	var out []string
	for _, s := range stages {
		out = append(out, s.Name)
	}
	return out
}
