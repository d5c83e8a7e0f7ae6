package scenario_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

const chaos = "../../../scenarios/chaos/"

// TestExperimentsAreSound: each breaks something under both profiles, says
// what it expects, and is over before its load.
func TestExperimentsAreSound(t *testing.T) {
	files, err := filepath.Glob(chaos + "*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d experiments, %v", len(files), err)
	}
	for _, file := range files {
		s := load(t, file)
		if slices.Contains([]string{"base.yaml", "limits-base.yaml", "alert-drill.yaml"}, filepath.Base(file)) {
			continue // no experiments themselves
		}
		if want := s.Name + ".yaml"; filepath.Base(file) != want {
			t.Errorf("%s is named %s", file, s.Name)
		}
		for _, profile := range []string{"smoke", "full"} {
			p := plan(t, s, profile)
			if len(p) != 1 || p[0].Name != s.Name {
				t.Fatalf("%s, %s: stages %s", file, profile, names(p))
			}
			one := p[0]
			schedule := one.Schedule()
			if len(schedule) == 0 {
				t.Errorf("%s, %s: nothing is broken", file, profile)
			}
			for _, i := range schedule {
				if i.At+i.RecoverAfter >= one.Load.Open.Duration {
					t.Errorf("%s, %s: %s on %s at %s is not over with the load", file, profile, i.Kind, i.Target, i.At)
				}
			}
			if one.Expect == (scenario.Expect{}) || len(one.Changes) == 0 {
				t.Errorf("%s, %s: it expects nothing, or does not say what it changes", file, profile)
			}
			if one.Expect.Limit.Permits+one.Expect.Tokens.Limit > 0 { // the load is to be all that counts
				checkLimitExperiment(t, file+", "+profile, &one)
				continue
			}
			if one.Topology.Replicas != 3 || one.Writes.Rate == 0 || one.Load.Probe.Rate == 0 {
				t.Errorf("%s, %s: %+v: not what the base says", file, profile, one.Topology)
			}
		}
	}
}

// checkLimitExperiment: the load is five times the limit, and all of it can be kept request by request.
func checkLimitExperiment(t *testing.T, name string, s *scenario.Stage) {
	t.Helper()
	const mostKept = 100_000 // requests, as package load has it
	o := s.Load.Open
	if s.Topology.Replicas != 3 || s.Writes.Rate != 0 || s.Load.Probe.Rate != 0 {
		t.Errorf("%s: %+v: something beside the load", name, s.Topology)
	}
	if o.Rate*o.Duration.Seconds() > mostKept {
		t.Errorf("%s: %v requests/s for %s are more than are kept", name, o.Rate, o.Duration)
	}
	if l := s.Expect.Limit; l.Permits > 0 && o.Rate*l.Window.Seconds() < 5*float64(l.Permits) {
		t.Errorf("%s: %v requests/s are less than five times the limit", name, o.Rate)
	}
}

func TestScheduleInTurnFillsTheAttack(t *testing.T) {
	s := plan(t, load(t, chaos+"kill-gateway.yaml"), "full")[0]
	var targets []string
	for i, one := range s.Schedule() {
		if want := 4*time.Second + time.Duration(i)*10*time.Second; one.At != want {
			t.Errorf("the %d. at %s, want %s", i+1, one.At, want)
		}
		targets = append(targets, one.Target)
	}
	if len(targets) < 11 || !slices.Equal(targets[:4], []string{"gateway-1", "gateway-2", "gateway-3", "gateway-1"}) {
		t.Errorf("targets %v", targets)
	}
}

// TestRandomFaultsKeepTheRules: never two on one role, never more than may
// overlap, and the same again with the same seed.
func TestRandomFaultsKeepTheRules(t *testing.T) {
	s := plan(t, load(t, chaos+"game-day.yaml"), "full")[0]
	s.Load.Open.Duration = time.Hour
	first := s.Schedule()
	if !reflect.DeepEqual(first, s.Schedule()) {
		t.Error("the same seed gives another schedule")
	}
	overlaps, kinds := 0, map[string]bool{}
	for i, a := range first {
		kinds[a.Kind] = true
		atWork := 1
		for _, b := range first[:i] {
			if a.At >= b.At+b.RecoverAfter {
				continue
			}
			atWork++
			if a.Target == b.Target {
				t.Errorf("%s and %s at work on %s together", a.Kind, b.Kind, a.Target)
			}
		}
		if atWork > s.Random.Overlap {
			t.Errorf("%d faults at work at %s", atWork, a.At)
		}
		if atWork > 1 {
			overlaps++
		}
	}
	if len(first) < 100 || overlaps == 0 || len(kinds) < 10 {
		t.Errorf("an hour has %d faults of %d kinds, %d of them overlapping", len(first), len(kinds), overlaps)
	}
	s.Seed++
	if reflect.DeepEqual(first, s.Schedule()) {
		t.Error("another seed gives the same schedule")
	}
}

func TestBaseIsUnderneath(t *testing.T) {
	s := plan(t, load(t, chaos+"kill-lb.yaml"), "smoke")[0]
	if s.Topology.Balancers != 2 || s.Load.Open.Rate == 0 || s.Load.Open.Share != 0 ||
		s.Gateway["lookup"] != "snapshot" || s.LB.MaxFails != 3 {
		t.Errorf("%+v", s)
	}
}
