package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

func workersLabel(s *result.Stage, a *result.Attack) string {
	label := "workers of the " + a.Model + "-loop attack"
	if s.LastRound() > 1 {
		label += ", round " + strconv.Itoa(a.Round)
	}
	return label
}

// workersText is what each of several workers sent, and how well their clocks are known to agree; empty where one made the attack.
func workersText(a *result.Attack) string {
	var parts []string
	for _, w := range a.Workers {
		if w.Lost != "" {
			parts = append(parts, w.Name+" "+w.Lost)
			continue
		}
		one := fmt.Sprintf("%s %s requests, clock %+.3g ms ±%.3g ms, drift %+.3g ms", w.Name, figure.Count(w.Requests), w.ClockAheadMS,
			w.ClockUncertainMS, w.ClockDriftMS)
		if w.LateMS > 0 {
			one += fmt.Sprintf(", began %.3g ms late", w.LateMS)
		}
		if w.CPU != nil {
			one += ", CPU " + figure.Percent(*w.CPU)
		}
		parts = append(parts, one)
	}
	return strings.Join(parts, "; ")
}
