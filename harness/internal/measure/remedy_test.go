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
		if Remedy(c.Name) == "" {
			t.Errorf("%s does not say what to do", c.Name)
		}
		if bad := c.Verdict == Invalid || c.Verdict == Warning; bad != (c.Remedy != "") {
			t.Errorf("%s: verdict %s, remedy %q", c.Name, c.Verdict, c.Remedy)
		}
	}
	c := Check{Name: "rate kept", Saw: "96.1%", Limit: "at least 99%", Verdict: Invalid, Remedy: Remedy("rate kept")}
	if got := c.String(); got != "rate kept: 96.1%, want at least 99%: lower the rate, or give the worker more cores" {
		t.Errorf("%q", got)
	}
	kept := Run(Facts{Open: true, Offered: 100, Achieved: 100})[0]
	if got := kept.String(); kept.Verdict != OK || strings.Contains(got, "lower") {
		t.Errorf("nothing is to be done, but it says %q", got)
	}
	c.Attack = "open, round 2"
	if got := c.String(); !strings.HasPrefix(got, "rate kept (open, round 2): 96.1%, want") {
		t.Errorf("%q does not name the attack", got)
	}
}
