package runner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// A run that breaks off writes what it has. Whoever reads that must not take it
// for the whole.
func TestWhatBrokeOffIsNotValid(t *testing.T) {
	r := &report.Result{
		Stages:     []report.Stage{{Name: "baseline", Valid: true}},
		Experiment: &report.Experiment{Passed: true}, Drill: &report.Drill{Passed: true},
	}
	incomplete(r, nil)
	r.Settle()
	if !r.Valid || !r.Experiment.Passed || !r.Drill.Passed {
		t.Fatalf("a whole run is not valid: %q", r.InvalidReasons)
	}
	incomplete(r, errors.Join(errors.New("stage pool: the worker is gone"), context.Canceled))
	r.Settle()
	if want := "incomplete: stage pool: the worker is gone; context canceled"; r.Valid || !slices.Contains(r.InvalidReasons, want) {
		t.Errorf("valid %v, because of %q, want %q", r.Valid, r.InvalidReasons, want)
	}
	if r.Experiment.Passed || r.Drill.Passed {
		t.Error("what broke off has passed")
	}
}

// It is the judging that lets an experiment pass, not that it was begun.
func TestAnExperimentPassesOnlyWhenJudged(t *testing.T) {
	x := &experiment{run: &run{result: &report.Result{}}, stage: &scenario.Stage{}}
	out := &report.Experiment{}
	x.judge(out, &attacked{result: &load.Result{}})
	if !out.Passed {
		t.Errorf("nothing was missed: %+v", out)
	}
	r := &report.Result{Experiment: &report.Experiment{}, Stages: []report.Stage{{Name: "multi", Valid: true}}}
	var b strings.Builder
	if err := report.Table(&b, r, report.TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "Not judged: the experiment broke off") {
		t.Errorf("an experiment that was not judged is told as:\n%s", b.String())
	}
}
