package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestAnOverviewHasEveryExperiment(t *testing.T) {
	bad, good := resulttest.Experiment(), resulttest.Experiment()
	for _, r := range []*result.Result{bad, good} {
		for i := range r.Stages {
			r.Stages[i].Valid, r.Stages[i].InvalidReasons = true, nil
		}
		r.Settle()
	}
	good.RunID = "later"
	good.Scenario = "kill-redis"
	good.Experiment.Passed = true
	good.Experiment.Expectations[0] = result.Expectation{What: result.WhatIdempotent, Want: "at most 0", Saw: "0", Met: true}
	good.StartedAt, good.FinishedAt = bad.FinishedAt, bad.FinishedAt.Add(90*time.Second)
	all, err := result.NewOverview("all-faults", []*result.Result{bad, good})
	if err != nil {
		t.Fatal(err)
	}
	if all.Overview.TookS != bad.FinishedAt.Sub(bad.StartedAt).Seconds()+90 || !all.StartedAt.Equal(bad.StartedAt) ||
		!all.FinishedAt.Equal(good.FinishedAt) {
		t.Errorf("took %v s, from %s to %s", all.Overview.TookS, all.StartedAt, all.FinishedAt)
	}
	dir := t.TempDir()
	if err := Write(dir, all); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, result.FileMarkdown))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 of 2 experiments as expected", "kill-gateway: idempotent requests failed: 3, wanted at most 0",
		"| kill-redis |", "| 3 of 1,000 | 99.7% (99.12% to 99.9%)", "| 97 | 0 | 412 ms |"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in\n%s", want, b)
		}
	}
	back, err := result.Read(filepath.Join(dir, result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range resulttest.Violations(t, []byte(rendered(t, result.FileJSON, back))) {
		t.Error(problem)
	}
	var text bytes.Buffer
	if err := Table(&text, back, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "kill-redis") {
		t.Errorf("the terminal has no table:\n%s", text.String())
	}
}

func TestAnInvalidExperimentMakesTheOverviewInvalid(t *testing.T) {
	r := resulttest.Experiment()
	r.InvalidReasons = []string{"fault: not recovered"}
	r.Settle()
	all, err := result.NewOverview("all-faults", []*result.Result{r})
	if err != nil {
		t.Fatal(err)
	}
	if all.Valid || !strings.Contains(strings.Join(all.InvalidReasons, ";"), "kill-gateway: fault: not recovered") {
		t.Errorf("valid %v: %q", all.Valid, all.InvalidReasons)
	}
}
