package report

import (
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// segmentGrid is what was due in each segment of a rate that changes over time, and what was kept of it.
func segmentGrid(s *result.Stage) grid {
	g := grid{
		Title: "Segments of the shape, open-loop",
		Note: "A request belongs to the segment in which it was due. Sent: the share of the requests that were due, which varies" +
			" with random arrivals. Latency is corrected.",
		Heads: []string{"segment", "from s", "to s", "rate/s", "due", "sent", "QPS", "p50 ms", "p99 ms", "errors"},
		Text:  []bool{true},
	}
	for _, a := range s.OpenAttacks() {
		for _, one := range a.Segments {
			name := one.Name
			if s.LastRound() > 1 {
				name += ", round " + strconv.Itoa(a.Round)
			}
			rate := figure.Rounded(one.FromQPS)
			if one.ToQPS != one.FromQPS {
				rate += " to " + figure.Rounded(one.ToQPS)
			}
			due := one.Requests + one.Unsent
			sent := figure.NA
			if due > 0 {
				sent = figure.Percent(float64(one.Requests) / float64(due))
			}
			l := one.LatencyMS
			if l == nil {
				l = &result.Latency{}
			}
			g.add(!s.Valid, name, figure.Rounded(one.OffsetS), figure.Rounded(one.OffsetS+one.DurationS), rate, figure.Count(due),
				sent, figure.Rounded(float64(one.Successes)/one.DurationS),
				figure.RoundedOr(l.P50), figure.RoundedOr(l.P99), figure.PercentOr(one.ErrorRate))
		}
	}
	return g
}
