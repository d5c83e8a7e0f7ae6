package report

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestTheLastLineSaysWhatFiguresAreGoodFor(t *testing.T) {
	stages := []result.Stage{{Name: "a", Warnings: []string{"other processes used 75% of the cores"}}, {Name: "b"}}
	for _, c := range []struct {
		name string
		run  result.Result
		want string
	}{
		{name: "valid", run: result.Result{Valid: true, Stages: stages[1:]}, want: "valid"},
		{name: "a warning", run: result.Result{Valid: true, Stages: stages}, want: "valid, with 1 warning above"},
		{name: "smoke", run: result.Result{Valid: true, Profile: "smoke", Stages: stages[1:]},
			want: "valid; the smoke profile is too short: do not quote its figures"},
		{name: "not valid", run: result.Result{Stages: stages}},
		{name: "no stage", run: result.Result{Valid: true}},
	} {
		if got := use(&c.run); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
