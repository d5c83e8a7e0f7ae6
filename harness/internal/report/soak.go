package report

import (
	"fmt"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// soakGrid is whether memory, goroutines and latency grew over a long attack.
func soakGrid(s *result.Stage) grid {
	g := grid{
		Title: "Drift over the attack, open-loop",
		Note: "The line through all values, with the 95% interval of its rise. Drift: the whole interval is above the allowed rise." +
			" No drift: the whole interval is below it. Inconclusive: measure longer.",
		Heads: []string{"what", "begins at", "rises by", "95% interval", "in an hour", "allowed", "verdict"},
		Text:  []bool{0: true, 6: true},
	}
	for i := range s.Soak {
		one := &s.Soak[i]
		name := one.Metric
		if one.Node != "" {
			name += " of " + one.Node
		}
		if one.Unit != "" {
			name += ", " + one.Unit
		}
		if s.LastRound() > 1 {
			name += ", round " + strconv.Itoa(one.Round)
		}
		interval := figure.NA
		if one.Low != nil && one.High != nil {
			interval = fmt.Sprintf("%s to %s", figure.Rounded(*one.Low), figure.Rounded(*one.High))
		}
		verdict := one.Verdict
		if one.Why != "" {
			verdict += ": " + one.Why
		}
		g.add(one.Verdict == result.SoakDrift, name, figure.RoundedOr(one.Begin), figure.RoundedOr(one.Change), interval,
			figure.RoundedOr(one.PerHour), figure.RoundedOr(one.Allowed), verdict)
	}
	return g
}

// soakText counts the verdicts; empty where the stage is no soak.
func soakText(s *result.Stage) string {
	count := map[string]int{}
	var drifts string
	for _, one := range s.Soak {
		count[one.Verdict]++
		if one.Verdict == result.SoakDrift {
			drifts += ", " + one.Metric
			if one.Node != "" {
				drifts += " of " + one.Node
			}
		}
	}
	switch {
	case len(s.Soak) == 0:
		return ""
	case drifts != "":
		return "drift: " + drifts[len(", "):]
	case count[result.SoakInconclusive] > 0:
		return fmt.Sprintf("inconclusive: %d of %d series, the others without drift", count[result.SoakInconclusive], len(s.Soak))
	}
	return fmt.Sprintf("no drift in %d series", len(s.Soak))
}
