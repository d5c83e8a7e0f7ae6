package runner

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatelab/harness/internal/drill"
	"gatelab/harness/internal/report"
)

// drillPlan is a drill of the committed scenario, without a lab.
func drillPlan(t *testing.T, alerts ...string) *drilling {
	t.Helper()
	r, err := prepare(Options{File: "../../../scenarios/chaos/alert-drill.yaml", Profile: "full", Reports: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return &drilling{run: r, options: DrillOptions{Alerts: alerts}}
}

// Every alert that has a plan is tried, by something that this lab can break,
// and the one that needs another replica comes last.
func TestTheDrillTriesEveryAlert(t *testing.T) {
	first, last := drillPlan(t).cases()
	tried := map[string][]string{}
	for _, c := range slices.Concat(first, last) {
		for _, name := range append([]string{c.Alert}, c.Also...) {
			tried[name] = append(tried[name], c.Fault)
		}
		if c.Break == nil || c.Mend == nil {
			t.Errorf("%s: nothing breaks it", c.Alert)
		}
	}
	for _, p := range drill.Plans() {
		if !slices.Contains(tried[p.Alert], p.Cause) {
			t.Errorf("%s is tried by %q, want %q among them", p.Alert, tried[p.Alert], p.Cause)
		}
	}
	if len(last) != 1 || last[0].Fault != drill.SlowPostgres {
		t.Errorf("last: %+v", last)
	}
	first, last = drillPlan(t, "RedisMemoryHigh").cases()
	if len(first) != 1 || len(last) != 0 || first[0].Alert != "RedisMemoryHigh" {
		t.Errorf("only one was asked for: %d and %d cases", len(first), len(last))
	}
}

func TestTheDrillsScenarioCanCarryIt(t *testing.T) {
	s := drillPlan(t).stages[0]
	if s.Topology.Replicas < 3 || s.Topology.Origins < 2 {
		t.Errorf("%d replicas, %d origins: want three and two", s.Topology.Replicas, s.Topology.Origins)
	}
	if _, ok := s.Topology.Links["postgres"]; !ok {
		t.Error("there is no link to Postgres to make slow")
	}
	if s.Load.Open.Rate <= 0 || s.Load.Open.Rate > 500 {
		t.Errorf("rate %v: want a modest one", s.Load.Open.Rate)
	}
}

// A drill's outcome passes only where every alert fired and resolved, and none
// else fired; the report says so in every format, and is valid without stages.
func TestDrilledTellsWhatFailed(t *testing.T) {
	good := drill.Outcome{Alert: "A", Fault: "f", ToFire: time.Second, ToResolve: 2 * time.Second, Beside: []string{"C"}}
	bad, loud := good, good
	bad.Err, bad.ToFire = errors.New("did not fire"), 0
	loud.Unexpected = []string{"B"}
	for _, c := range []struct {
		outcome drill.Outcome
		passed  bool
		said    string
	}{{good, true, "1 of 1"}, {bad, false, "did not fire"}, {loud, false, "others fired"}} {
		d := drilled([]drill.Outcome{c.outcome})
		if d.Passed != c.passed || d.Alerts[0].OK() != c.passed {
			t.Errorf("%+v: passed %v, want %v", c.outcome, d.Passed, c.passed)
		}
		r := &report.Result{RunID: "drill", Scenario: "alert-drill", Runtime: RuntimeHost, Drill: d}
		dir := filepath.Join(t.TempDir(), "run")
		if err := report.Write(dir, r); err != nil {
			t.Fatal(err)
		}
		if !r.Valid {
			t.Errorf("not valid: %v", r.InvalidReasons)
		}
		var text strings.Builder
		if err := report.DrillText(&text, r); err != nil {
			t.Fatal(err)
		}
		for name, in := range map[string]string{"terminal": text.String(), report.FileMarkdown: fileOf(t, dir, report.FileMarkdown), report.FileHTML: fileOf(t, dir, report.FileHTML)} {
			if !strings.Contains(in, c.said) || !strings.Contains(in, "divided by 300") {
				t.Errorf("%s does not say %q, or by what the rules were shortened", name, c.said)
			}
		}
	}
}

func fileOf(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
