package main

import (
	"bytes"
	"strings"
	"testing"
)

// A recorded gate is decided again with its own margins, or with those that are
// asked for.
func TestReplayTakesOtherMargins(t *testing.T) {
	const run = "../reports/published/gate/2026-11-25/aa-2" // equal builds, a pass
	for _, row := range []struct {
		flags []string
		want  string // of the output, or of the error
		bad   bool
	}{
		{nil, "aa-2, as it is: gate: PASS", false},
		{[]string{"--margin-cpu=0.001"}, "aa-2, as it is: gate: INCONCLUSIVE", false},
		{[]string{"--margin-p50=0"}, "margin of p50: 0 is not allowed", true},
	} {
		var said bytes.Buffer
		c := gateCommand()
		c.SetOut(&said)
		c.SetErr(&said)
		c.SetArgs(append([]string{"replay", run, "--times=2", "--ratio=1"}, row.flags...))
		err := c.Execute()
		if (err != nil) != row.bad {
			t.Errorf("%q: error %v", row.flags, err)
			continue
		}
		if row.bad {
			said.WriteString(err.Error())
		}
		if !strings.Contains(said.String(), row.want) {
			t.Errorf("%q: nothing of %q in\n%s", row.flags, row.want, said.String())
		}
	}
}
