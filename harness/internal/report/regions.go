package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// regionGrid is what each region met.
func regionGrid(x *result.Experiment) grid {
	g := grid{
		Title: "Regions",
		Note: "Each region has clients, a load balancer and a Redis of its own; the configuration is in the first region's Postgres." +
			" Writes: acknowledged, of those sent to the region's gateways. Changes: median and longest time from the first region's" +
			" acknowledgement until every replica of the region that answers serves them, known to within a quarter. Caught up: from" +
			" the beginning of the recovery until a later change was served.",
		Heads: []string{"region", "nodes", "requests", "failed", "how", "writes", "writes in the fault", "changes before the fault",
			"changes from then on", "caught up"},
		Text: []bool{0: true, 1: true, 4: true},
	}
	of := func(c result.WriteCount) string { return figure.Count(c.Acknowledged) + " of " + figure.Count(c.Sent) }
	for _, r := range x.Regions {
		g.add(false, r.Name, strings.Join(r.Nodes, ", "), figure.Count(r.Requests), figure.Count(r.Failed), tallied(r.Errors),
			of(r.Writes), of(r.FaultyWrites), followedText(r.Visible), followedText(r.LateVisible), figure.MillisOr(r.CaughtUpMS))
	}
	return g
}

func followedText(f result.Followed) string {
	if f.P50MS == nil || f.MaxMS == nil {
		return figure.NA
	}
	return fmt.Sprintf("%s: %s (at most %s)", figure.Count(f.Changes), figure.Millis(*f.P50MS), figure.Millis(*f.MaxMS))
}

// togetherGrid is what all regions admitted of one limit.
func togetherGrid(x *result.Experiment) grid {
	g := grid{
		Title: "One limit, counted in each region",
		Note:  "Admitted by all regions together, of the limit: 1 is the limit. Each region counts in its own Redis.",
		Heads: []string{"limit per window", "windows", "admitted of the limit", "fullest window", "windows with a fault",
			"admitted of the limit"},
	}
	if t := x.Together; t != nil {
		g.add(false, strconv.Itoa(t.Permits), strconv.Itoa(t.Windows), fmt.Sprintf("%.3f", t.Share), figure.Count(t.Fullest),
			strconv.Itoa(t.Faulty.Windows), fmt.Sprintf("%.3f", t.Faulty.Share))
	}
	return g
}
