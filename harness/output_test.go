package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// Standard output is the result alone, and all else is on standard error: with a real lab of processes.
func TestResultAsJSON(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, Redis and nginx, and -short asks for tests without servers: run make test")
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	reports := t.TempDir()
	got := runProgram(t, filepath.Join(dir, "harness"), map[string]string{"GITHUB_ACTIONS": "true"},
		"run", "testdata/measure/tiny.yaml", "--runtime", "host", "--reports", reports,
		"--output", "json", "--print-result-path", "--slo", "cpu<1us,p50{model}<1m", "--fail-on", "slo")
	if got.code != exitObjectives && got.code != exitInvalid { // a busy machine may make the run invalid
		t.Fatalf("exit code %d\n%s", got.code, got.stderr)
	}
	r, err := result.Parse([]byte(got.stdout))
	if err != nil {
		t.Fatalf("standard output is no result: %v\n%s", err, got.stdout)
	}
	objectives := r.Objectives()
	if len(objectives) != 2 || *objectives[0].Met || objectives[1].Value == nil || *objectives[1].Value <= 0 {
		t.Errorf("objectives %+v", objectives)
	}
	for _, want := range []string{"lab up: ", "::error title=SLO missed::tiny: only: cpu<1us: "} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("standard error without %q:\n%s", want, got.stderr)
		}
	}
	for _, link := range []string{"latest", "latest-scenario", "latest-tiny"} {
		if _, err := os.Stat(filepath.Join(reports, link, result.FileJUnit)); err != nil {
			t.Error(err)
		}
	}
	if path := filepath.Join(onlyRun(t, reports), result.FileJSON); !strings.Contains(got.stderr, path+"\n") {
		t.Errorf("standard error without %s", path)
	}
}

// missing is a result whose only stage has one objective, and which may not be valid because of a check.
func missing(metric string, met *bool, invalid string) *result.Result {
	r := &result.Result{Scenario: "x", Stages: []result.Stage{{Name: "only", Valid: true, SLO: &result.SLO{
		Objectives: []result.Objective{{Objective: metric + "<1", Metric: metric, Value: new(0.5), Unit: slo.Share, Met: met}},
	}}}}
	if invalid != "" {
		r.Stages[0].Checks = []measure.Check{{Name: invalid, Verdict: measure.Invalid}}
	}
	r.Settle()
	return r
}

func TestWhatAMissedObjectiveEndsWith(t *testing.T) {
	for _, row := range []struct {
		name   string
		r      *result.Result
		err    error
		failOn bool
		want   int
	}{
		{name: "met", r: missing(slo.CPU, new(true), ""), failOn: true, want: exitOK},
		{name: "missed", r: missing(slo.CPU, new(false), ""), failOn: true, want: exitObjectives},
		{name: "missed and not asked", r: missing(slo.CPU, new(false), ""), want: exitOK},
		{name: "not known", r: missing(slo.CPU, nil, ""), failOn: true, want: exitObjectives},
		{name: "not valid", r: missing(slo.CPU, new(false), measure.SendLag), err: session.ErrInvalid, failOn: true, want: exitInvalid},
		{
			name: "not valid by the errors that an objective is about", r: missing(slo.Errors, new(false), measure.Errors),
			err: session.ErrInvalid, failOn: true, want: exitObjectives,
		},
		{
			name: "not valid by errors, and another objective missed", r: missing(slo.CPU, new(false), measure.Errors),
			err: session.ErrInvalid, failOn: true, want: exitInvalid,
		},
		{name: "failed otherwise", r: missing(slo.CPU, new(false), ""), err: errRegression, failOn: true, want: exitFailed},
		{
			name: "no rate in a capacity search", r: &result.Result{Capacity: []result.Capacity{{Stage: "multi-1", SLO: "p99<1ms"}}},
			failOn: true, want: exitObjectives,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := outputFlags{}
			if row.failOn {
				o.failOn = []string{failOnSLO}
			}
			if err := o.verdict(row.r, row.err); exitCodeOf(err) != row.want {
				t.Errorf("%v: %d, want %d", err, exitCodeOf(err), row.want)
			}
		})
	}
}

// Text from a run must not end a workflow command or begin another.
func TestGitHubAnnotationsAreEscaped(t *testing.T) {
	r := missing(slo.CPU, new(false), "")
	r.Stages[0].Name = "a\n::warning::b 100%"
	var b bytes.Buffer
	annotate(&b, r)
	if want := "::error title=SLO missed::x: a%0A::warning::b 100%25: cpu<1: 50%25\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	annotate(&b, missing(slo.CPU, new(true), ""))
	if !strings.HasPrefix(b.String(), "::notice title=SLO met::x: 1 objective(s) met\n") {
		t.Errorf("%q", b.String())
	}
}
