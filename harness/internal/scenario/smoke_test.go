package scenario_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// mostSmoke is how long the smoke profile may load a stage or an experiment: the README says half a minute.
const mostSmoke = 45 * time.Second

// trial is the attack between the closed and the open one, where the open one's rate is a share of what is carried.
const trial = 5 * time.Second

// loadTime is how long the attacks of a stage take together.
func loadTime(s *scenario.Stage) time.Duration {
	open, closed := s.Load.Open, s.Load.Closed
	all := open.Warmup + open.Duration
	if open.Rate == 0 { // else the closed loop of an experiment is left out
		all += closed.Warmup + closed.Duration + trial
	}
	rounds := max(s.Rounds, 1)
	attacks := max(2*len(s.Edge.Countries), 1) // each country with and without the edge
	return time.Duration(rounds*attacks) * all
}

func TestSmokeIsShort(t *testing.T) {
	files, err := filepath.Glob(chaos + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../../scenarios/ladder.yaml") {
		if filepath.Base(file) == "alert-drill.yaml" {
			continue // its faults say how long it takes
		}
		for _, one := range plan(t, load(t, file), "smoke") {
			if got := loadTime(&one); got > mostSmoke {
				t.Errorf("%s, stage %s: the smoke profile loads it for %s, want at most %s", file, one.Name, got, mostSmoke)
			}
		}
	}
}

// A first scenario of one's own has no profiles, and commands ask for full where none is named.
func TestFullIsTheFileWhereItHasNoSuchProfile(t *testing.T) {
	s := load(t, "testdata/merge.yaml")
	if want := plan(t, s, ""); !reflect.DeepEqual(plan(t, s, scenario.Full), want) {
		t.Errorf("full differs from the file without a profile: %s", names(want))
	}
}
