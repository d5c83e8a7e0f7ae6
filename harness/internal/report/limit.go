package report

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// limitGrid is what a limit admitted.
func limitGrid(h *result.LimitHeld) grid {
	g := grid{
		Title: "What the limit admitted",
		Note: "Successes by the window in which they were sent, for windows that are completely within the load. The fullest window counts " +
			"only requests that began and ended in it.",
		Heads: []string{"windows", "number", "allowed", "admitted", "share", "least in one", "most in one"},
		Text:  []bool{true},
	}
	if h == nil {
		return g
	}
	g.Title += fmt.Sprintf(": %s permits per %s s", figure.Count(uint64(max(0, h.Permits))), figure.Rounded(h.WindowS))
	if h.CPURatio != nil {
		g.Note += fmt.Sprintf(" CPU time of the gateways per request: %s us without a limit, %s us with one that is not reached, %.2f times.",
			figure.RoundedOr(h.CPUFree), figure.RoundedOr(h.CPUCount), *h.CPURatio)
	}
	if h.Commands != nil {
		g.Note += fmt.Sprintf(" Commands to Redis per request of the load: %.3f.", *h.Commands)
	}
	for _, one := range []struct {
		name    string
		faulty  bool
		of      result.WindowsHeld
		fullest uint64
	}{{"without a fault", false, h.Whole, h.Fullest}, {"with a fault", true, h.Faulty, h.Crowded}} {
		if one.of.Windows == 0 {
			continue
		}
		least := uint64(max(0, h.Permits))
		for _, w := range h.Windows {
			if w.Faulty == one.faulty {
				least = min(least, w.Admitted)
			}
		}
		g.add(one.fullest > uint64(max(0, h.Permits)), one.name, figure.Count(uint64(max(0, one.of.Windows))), figure.Count(one.of.Allowed),
			figure.Count(one.of.Admitted), figure.Percent(one.of.Share), figure.Count(least), figure.Count(one.fullest))
	}
	return g
}

// tokenGrid is what a limit of tokens admitted.
func tokenGrid(h *result.TokensHeld) grid {
	g := grid{
		Title: "What the token limit admitted",
		Note: "Served: the count of the origins. Counted: the count that the gateways report to a rejected client. The reservation of a " +
			"request remains counted if its replica is killed.",
		Heads: []string{"limit", "served", "counted", "share", "requests that failed"},
	}
	if h != nil {
		g.add(h.Served > h.Limit, figure.Count(h.Limit), figure.Count(h.Served), figure.Count(h.Counted), figure.Percent(h.Share),
			figure.Count(h.Failed))
	}
	return g
}
