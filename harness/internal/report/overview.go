package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// overviewSentence is the outcome in a sentence.
func overviewSentence(o *result.Overview) string {
	passed, valid := 0, 0
	for i := range o.Experiments {
		if o.Experiments[i].Passed {
			passed++
		}
		if o.Experiments[i].Valid {
			valid++
		}
	}
	return fmt.Sprintf("%d of %d experiments as expected, %d valid, in %s.", passed, len(o.Experiments), valid,
		time.Duration(o.TookS*float64(time.Second)).Round(time.Second))
}

// overviewGrid has every experiment with its figures.
func overviewGrid(o *result.Overview) grid {
	g := grid{
		Title: "Experiments",
		Note: "Load failed: requests of any kind; in brackets the idempotent ones, including probes. Probes are open-loop, during" +
			" the load, with a 95% interval. Impact and recovery: the longest of any fault. Writes: those that the Admin API" +
			" acknowledged.",
		Heads: []string{
			"experiment", "changes", "faults", "load, requests/s", "p99 ms", "load failed (idempotent)", "GET probes failed",
			"GET availability", "POST probes failed", "POST availability", "impact", "recovery", "writes",
			"lost or half-written", "visible within", "as expected",
		},
		Text: []bool{0: true, 1: true, 15: true},
	}
	for i := range o.Experiments {
		e := &o.Experiments[i]
		name, met := e.Scenario, "yes"
		if !e.Valid {
			name += " (INVALID)"
		}
		if !e.Passed {
			met = "NO"
		}
		failed := figure.CountOr(e.Failed)
		if e.IdempotentFailed != nil {
			failed += " (" + *e.IdempotentFailed + ")"
		}
		g.add(!e.Passed || !e.Valid, name, strings.Join(e.Changes, ", "), fmt.Sprint(e.Faults), figure.RoundedOr(e.OfferedQPS),
			figure.RoundedOr(e.P99MS), failed, failedText(e.Get), intervalText(e.Get), failedText(e.Post), intervalText(e.Post),
			figure.MillisOr(e.HurtMS), figure.MillisOr(e.UsedAgainMS), figure.CountOr(e.Acknowledged), figure.CountOr(e.Lost),
			figure.MillisOr(e.VisibleMaxMS), met)
	}
	return g
}

// overviewBrief is overviewGrid with fewer columns, so that it fits a terminal.
func overviewBrief(o *result.Overview) grid {
	g := overviewGrid(o)
	keep := []int{0, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15}
	pick := func(row []string) (out []string) {
		for _, i := range keep {
			out = append(out, row[i])
		}
		return out
	}
	out := grid{Title: g.Title, Heads: pick(g.Heads), Bad: g.Bad, Text: []bool{0: true, 11: true}}
	for _, row := range g.Rows {
		out.Rows = append(out.Rows, pick(row))
	}
	return out
}

func failedText(a *result.Availability) string {
	if a == nil {
		return figure.NA
	}
	return figure.Count(a.Failed) + " of " + figure.Count(a.Probes)
}

func intervalText(a *result.Availability) string {
	if a == nil {
		return figure.NA
	}
	return fmt.Sprintf("%s (%s to %s)", figure.Percent(a.Availability), figure.Percent(a.Low), figure.Percent(a.High))
}

// overviewPart is the table of all experiments. Empty without one.
func overviewPart(r *result.Result) part {
	o := r.Overview
	if o == nil {
		return part{}
	}
	p := part{ID: "overview", Title: "Experiments", Verdict: stats.Pass}
	if slices.ContainsFunc(o.Experiments, func(e result.ExperimentSummary) bool { return !e.Passed || !e.Valid }) {
		p.Verdict = stats.Fail
	}
	for i := range o.Experiments {
		for _, what := range o.Experiments[i].Problems {
			p.Notes = append(p.Notes, o.Experiments[i].Scenario+": "+what)
		}
	}
	p.tabulate(overviewGrid(o))
	return p
}
