package main

import (
	"bytes"
	"strings"
	"testing"
)

// A recorded gate is decided again with its own margins, or with those that are
// asked for; of equal builds head serves too.
func TestReplayTakesWhatIsAskedFor(t *testing.T) {
	const (
		run     = "../reports/published/gate/2026-11-25/aa-2" // equal builds, a pass
		patched = "../reports/published/gate/2026-11-25/cpu"
	)
	for _, row := range []struct {
		run   string
		flags []string
		want  string // of the output, or of the error
		bad   bool
	}{
		{run, nil, "aa-2, as it is: gate: PASS", false},
		{run, []string{"--margin-cpu=0.001"}, "aa-2, as it is: gate: INCONCLUSIVE", false},
		{run, []string{"--margin-p50=0"}, "margin of p50: 0 is not allowed", true},
		{run, []string{"--equal"}, "nothing: head is base's build", false},
		{patched, nil, "nothing: base's second replica", false},
		{patched, []string{"--equal"}, "want runs whose head is the base's commit", true},
	} {
		var said bytes.Buffer
		c := gateCommand()
		c.SetOut(&said)
		c.SetErr(&said)
		c.SetArgs(append([]string{"replay", row.run, "--times=2", "--ratio=1"}, row.flags...))
		err := c.Execute()
		if (err != nil) != row.bad {
			t.Errorf("%s %q: error %v", row.run, row.flags, err)
			continue
		}
		if row.bad {
			said.WriteString(err.Error())
		}
		if !strings.Contains(said.String(), row.want) {
			t.Errorf("%s %q: nothing of %q in\n%s", row.run, row.flags, row.want, said.String())
		}
	}
}
