package alerting

import (
	"slices"
	"testing"

	"github.com/gatelab/gatelab/alerts"
)

func TestEveryAlertHasAPlan(t *testing.T) {
	rules, err := alerts.Rules()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rules {
		if r.Alert != "" {
			names = append(names, r.Alert)
		}
	}
	seen := map[string]bool{}
	for _, p := range Plans() {
		if seen[p.Alert+p.Cause] {
			t.Errorf("%s has two plans that are alike", p.Alert)
		}
		seen[p.Alert], seen[p.Alert+p.Cause] = true, true
		if p.Cause == "" {
			t.Errorf("%s: nothing is broken", p.Alert)
		}
		for _, name := range append(p.Beside, p.Alert) {
			if !slices.Contains(names, name) {
				t.Errorf("%s: there is no alert %s", p.Alert, name)
			}
		}
	}
	for _, n := range names {
		if !seen[n] {
			t.Errorf("%s has no plan", n)
		}
	}
}
