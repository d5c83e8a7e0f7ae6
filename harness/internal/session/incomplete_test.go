package session

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// A run that breaks off writes what it has. It must not be taken for the whole.
func TestWhatBrokeOffIsNotValid(t *testing.T) {
	passed := func(s *Session) {
		oneStage(s)
		s.Result.Experiment, s.Result.Drill = &result.Experiment{Passed: true}, &result.Drill{Passed: true}
	}
	whole := newTrialRun(t)
	out, err := Run(t.Context(), whole.config, whole.plan, Program{
		Measure: func(_ context.Context, s *Session) error { passed(s); return nil },
	})
	if err != nil || !out.Result.Valid || !out.Result.Experiment.Passed || !out.Result.Drill.Passed {
		t.Fatalf("a whole run is not valid: %+v, error %v", out, err)
	}
	broken := newTrialRun(t)
	_, err = Run(t.Context(), broken.config, broken.plan, Program{Measure: func(_ context.Context, s *Session) error {
		passed(s)
		return errors.Join(errors.New("stage pool: the worker is gone"), context.Canceled)
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want why it broke off", err)
	}
	r, err := result.Read(filepath.Join(broken.dir(t), result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	if want := "incomplete: stage pool: the worker is gone; context canceled"; r.Valid || !slices.Contains(r.InvalidReasons, want) {
		t.Errorf("valid %v, because of %q, want %q", r.Valid, r.InvalidReasons, want)
	}
	if r.Experiment.Passed || r.Drill.Passed {
		t.Error("what broke off has passed")
	}
}
