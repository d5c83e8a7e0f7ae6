package measure

import (
	"strings"
	"testing"
)

func TestEveryCheckSaysWhatToDo(t *testing.T) {
	for _, c := range Run(Facts{}) {
		if c.Name == "durability" {
			continue // it never fails
		}
		if c.Remedy() == "" {
			t.Errorf("%s does not say what to do", c.Name)
		}
	}
	c := Check{Name: "rate kept", Saw: "96.1%", Limit: "at least 99%", Verdict: Invalid}
	if got := c.Reason(); got != "rate kept: 96.1%, want at least 99%: lower the rate, or give the worker more cores" {
		t.Errorf("%q", got)
	}
	c.Verdict = OK
	if got := c.Reason(); strings.Contains(got, "lower") {
		t.Errorf("nothing is to be done, but it says %q", got)
	}
}
