package drill

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// drillPlan is a drill of the committed scenario, without a lab.
func drillPlan(t *testing.T, alerts ...string) *drill {
	t.Helper()
	d, err := newDrill(Options{
		Config: session.Config{Profile: "full", Reports: t.TempDir()}, File: "../../../scenarios/chaos/alert-drill.yaml", Alerts: alerts,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.session = &session.Session{Lab: lab.New(nil, lab.Options{})}
	return d
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
		if c.Break == nil || c.Restore == nil {
			t.Errorf("%s: nothing breaks it", c.Alert)
		}
	}
	for _, p := range alerting.Plans() {
		if !slices.Contains(tried[p.Alert], p.Cause) {
			t.Errorf("%s is tried by %q, want %q among them", p.Alert, tried[p.Alert], p.Cause)
		}
	}
	if len(last) != 1 || last[0].Fault != alerting.SlowPostgres {
		t.Errorf("last: %+v", last)
	}
	first, last = drillPlan(t, "RedisMemoryHigh").cases()
	if len(first) != 1 || len(last) != 0 || first[0].Alert != "RedisMemoryHigh" {
		t.Errorf("only one was asked for: %d and %d cases", len(first), len(last))
	}
}

func TestTheDrillsScenarioCanCarryIt(t *testing.T) {
	s := drillPlan(t).stage
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
	good := alerting.Outcome{Alert: "A", Fault: "f", ToFire: time.Second, ToResolve: 2 * time.Second, Beside: []string{"C"}}
	bad, loud := good, good
	bad.Err, bad.ToFire = errors.New("did not fire"), 0
	loud.Unexpected = []string{"B"}
	for _, c := range []struct {
		name    string
		outcome alerting.Outcome
		passed  bool
		said    string
	}{
		{name: "it fired and resolved", outcome: good, passed: true, said: "1 of 1"},
		{name: "it did not fire", outcome: bad, said: "did not fire"},
		{name: "another one fired", outcome: loud, said: "others fired"},
	} {
		d := reportOf([]alerting.Outcome{c.outcome})
		if d.Passed != c.passed || d.Alerts[0].OK() != c.passed {
			t.Errorf("%s: passed %v, want %v", c.name, d.Passed, c.passed)
		}
		r := &result.Result{RunID: "drill", Scenario: "alert-drill", Runtime: session.RuntimeHost, Drill: d}
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
		for name, in := range map[string]string{
			"terminal": text.String(), result.FileMarkdown: fileOf(t, dir, result.FileMarkdown), result.FileHTML: fileOf(t, dir, result.FileHTML),
		} {
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

func TestDrillIsNamedAfterItsScenario(t *testing.T) {
	if d := drillPlan(t); d.name != "alert-drill" {
		t.Errorf("name %q", d.name)
	}
}

func TestDrillRefusesAnUnknownAlert(t *testing.T) {
	if _, err := newDrill(Options{Alerts: []string{"NoSuchAlert"}}); err == nil ||
		!strings.Contains(err.Error(), `unknown alert "NoSuchAlert"`) {
		t.Errorf("error %v", err)
	}
}

// A drill in which no alert was tried has nothing to report.
func TestDrillWithoutAnAlertHasNoReport(t *testing.T) {
	d, s := &drill{}, &session.Session{Result: &result.Result{}}
	if err := d.complete(s); err == nil || s.Result.Drill != nil {
		t.Errorf("error %v, drill %+v", err, s.Result.Drill)
	}
}
