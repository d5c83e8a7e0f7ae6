package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAnOverviewHasEveryExperiment(t *testing.T) {
	bad, good := experimental(), experimental()
	for _, r := range []*Result{bad, good} {
		for i := range r.Stages {
			r.Stages[i].Valid, r.Stages[i].InvalidReasons = true, nil
		}
		r.Settle()
	}
	good.RunID, good.Scenario, good.Experiment.Passed = "later", "kill-redis", true
	good.Experiment.Expectations[0] = Expectation{What: WhatIdempotent, Want: "at most 0", Saw: "0", Met: true}
	good.StartedAt, good.FinishedAt = bad.FinishedAt, bad.FinishedAt.Add(90*time.Second)
	all, err := NewOverview("all-faults", []*Result{bad, good})
	if err != nil {
		t.Fatal(err)
	}
	if all.Overview.TookS != bad.FinishedAt.Sub(bad.StartedAt).Seconds()+90 || !all.StartedAt.Equal(bad.StartedAt) || !all.FinishedAt.Equal(good.FinishedAt) {
		t.Errorf("took %v s, from %s to %s", all.Overview.TookS, all.StartedAt, all.FinishedAt)
	}
	dir := t.TempDir()
	if err := Write(dir, all); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, FileMarkdown))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 of 2 experiments as expected", "kill-gateway: idempotent requests failed: 3, wanted at most 0", "| kill-redis |", "| 3 of 1,000 | 99.7% (99.12% to 99.9%)", "| 97 | 0 | 412 ms |"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in\n%s", want, b)
		}
	}
	back, err := Read(filepath.Join(dir, FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range violations(t, []byte(rendered(t, FileJSON, back))) {
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
	r := experimental()
	r.InvalidReasons = []string{"fault: not recovered"}
	r.Settle()
	all, err := NewOverview("all-faults", []*Result{r})
	if err != nil {
		t.Fatal(err)
	}
	if all.Valid || !strings.Contains(strings.Join(all.InvalidReasons, ";"), "kill-gateway: fault: not recovered") {
		t.Errorf("valid %v: %q", all.Valid, all.InvalidReasons)
	}
}

func TestAnOverviewOfOtherThings(t *testing.T) {
	if _, err := NewOverview("x", nil); err == nil {
		t.Error("none was taken")
	}
	if _, err := NewOverview("x", []*Result{sample()}); err == nil || !strings.Contains(err.Error(), sample().RunID) {
		t.Errorf("a ladder was taken: %v", err)
	}
}

// A client that knows two balancers pays only where both fail it.
func TestTheBetterBalancerCounts(t *testing.T) {
	x := Experiment{Entries: []Entry{
		{Name: "lb", Method: "GET", Availability: Availability{Probes: 10, Failed: 4}},
		{Name: "lb-2", Method: "GET", Availability: Availability{Probes: 10, Failed: 1}},
		{Name: "gateway-1", Method: "GET", Information: true, Availability: Availability{Probes: 10}},
	}}
	if got := x.best("GET"); got == nil || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	if got := x.best("POST"); got != nil {
		t.Errorf("%+v of no probe", got)
	}
}
