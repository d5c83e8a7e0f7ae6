package subprocess

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Each way in which a program can fail, with a real one.
func TestFailedSaysWhatHowAndWhatToDo(t *testing.T) {
	for _, row := range []struct {
		name, want string
		within     time.Duration
		argv       []string
	}{
		{name: "an exit code and words", want: `check the base out: sh ended with exit code 128 (fatal: no such commit): fetch it`,
			argv: []string{"sh", "-c", "echo hint: >&2; echo 'fatal: no such commit' >&2; echo >&2; exit 128"}},
		{name: "without words", want: `check the base out: sh ended with exit code 3: fetch it`, argv: []string{"sh", "-c", "exit 3"}},
		{name: "a signal", want: `check the base out: sh was ended by the signal killed: fetch it`, argv: []string{"sh", "-c", "kill -9 $$"}},
		{name: "not installed", want: `check the base out: no-such-program is not installed: fetch it`, argv: []string{"no-such-program"}},
		{name: "too long", want: `check the base out: sleep did not end in time: fetch it`, within: 50 * time.Millisecond,
			argv: []string{"sleep", "60"}},
		{name: "no program", want: `check the base out: / could not be run: exec: "/": is a directory: fetch it`, argv: []string{"/"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx := t.Context()
			if row.within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, row.within)
				defer cancel()
			}
			out, err := exec.CommandContext(ctx, row.argv[0], row.argv[1:]...).CombinedOutput()
			got := Failed(ctx, Failure{What: "check the base out", Program: row.argv[0], Advice: "fetch it"}, err, out)
			if got == nil || got.Error() != row.want {
				t.Errorf("said   %v\nwanted %s", got, row.want)
			}
		})
	}
	if err := Failed(t.Context(), Failure{}, nil, []byte("fine")); err != nil {
		t.Errorf("a program that did what it should: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Failed(stopped, Failure{}, errors.New("signal: killed"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not known as a stop", err)
	}
}

func TestLastLine(t *testing.T) {
	for said, want := range map[string]string{
		"": "", "\n\n": "", "one": "one", "one\ntwo\r\n\n  ": "two",
		strings.Repeat("é", 300): strings.Repeat("é", 200) + "...",
	} {
		if got := LastLine([]byte(said)); got != want {
			t.Errorf("%.20q: %q, want %q", said, got, want)
		}
	}
}
