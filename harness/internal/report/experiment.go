package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// experimentHeadline is the verdict in words.
func experimentHeadline(x *result.Experiment) string {
	var missed []string
	for _, e := range x.Expectations {
		if !e.Met {
			missed = append(missed, fmt.Sprintf("%s: %s, wanted %s", e.What, e.Saw, e.Want))
		}
	}
	switch {
	case len(missed) > 0:
		return "Not as expected: " + strings.Join(missed, "; ")
	case !x.Passed:
		return "Not judged: the experiment did not finish"
	}
	return "As expected: every fault took effect, and every expectation was met"
}

// expectationGrid is the verdict's table.
func expectationGrid(r *result.Result) grid {
	g := grid{Title: "Expectations", Heads: []string{"what", "wanted", "observed", "met"}, Text: []bool{true, true, true, true}}
	if r.Experiment == nil {
		return g
	}
	for _, e := range r.Experiment.Expectations {
		met := "yes"
		if !e.Met {
			met = "NO"
		}
		g.add(!e.Met, e.What, e.Want, e.Saw, met)
	}
	return g
}

// entryGrid is availability by entry point.
func entryGrid(r *result.Result) grid {
	g := grid{
		Title: "Entry points",
		Note: "Open-loop probes during the load. The results at the load balancers decide. Those at the gateways are for information," +
			" because no client calls a gateway directly.",
		Heads: []string{"entry", "request", "probes", "failed", "availability (95% interval)", "outage", "longest", "resolution", "failures"},
		Text:  []bool{0: true, 1: true, 8: true},
	}
	if r.Experiment == nil {
		return g
	}
	for _, e := range r.Experiment.Entries {
		name := e.Name
		if e.Information {
			name += " (information)"
		}
		g.add(e.Failed > 0 && !e.Information, name, e.Method, figure.Count(e.Probes), figure.Count(e.Failed),
			fmt.Sprintf("%s (%s to %s)", figure.Percent(e.Availability.Availability), figure.Percent(e.Low), figure.Percent(e.High)),
			figure.Millis(e.OutageMS), figure.Millis(e.LongestOutageMS), figure.Millis(e.ResolutionMS), tallied(e.Failures))
	}
	return g
}

// driftGrid is the memory and the goroutines of nodes at both ends of the load.
func driftGrid(r *result.Result) grid {
	g := grid{
		Title: "Memory and goroutines at the start and at the end",
		Note:  "Medians of the first and the last tenth of the readings under load. A restarted gateway starts from zero.",
		Heads: []string{"node", "MiB first", "MiB last", "goroutines first", "goroutines last", "restarts seen"},
		Text:  []bool{true},
	}
	if r.Experiment == nil {
		return g
	}
	for _, d := range r.Experiment.Drift {
		if d.MemoryFirstMiB == nil && d.GoroutinesFirst == nil {
			continue // too short to tell
		}
		g.add(false, d.Node, figure.RoundedOr(d.MemoryFirstMiB), figure.RoundedOr(d.MemoryLastMiB),
			figure.RoundedOr(d.GoroutinesFirst), figure.RoundedOr(d.GoroutinesLast), figure.Count(d.Restarts))
	}
	return g
}

// tallied are counts, the largest first.
func tallied(m map[string]uint64) string {
	var parts []string
	for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) }) {
		parts = append(parts, fmt.Sprintf("%s %s", figure.Count(m[k]), k))
	}
	return strings.Join(parts, ", ")
}

// consequences are load, writes and cost in words.
func consequences(r *result.Result) []string {
	x := r.Experiment
	if x == nil {
		return nil
	}
	var out []string
	if x.CapacityQPS != nil && len(r.Stages) > 0 && r.Stages[0].Load.OfferedQPS != nil {
		offered := *r.Stages[0].Load.OfferedQPS
		out = append(out, fmt.Sprintf("Load: %s requests/s, %s of the open-loop capacity of %s"+
			" (estimated from the CPU use at a quarter of the closed-loop rate).",
			figure.Rounded(offered), figure.Percent(offered / *x.CapacityQPS), figure.Rounded(*x.CapacityQPS)))
	}
	if x.Writes != nil {
		out = append(out, writesSentence(x.Writes))
	}
	if x.Cost != nil {
		out = append(out, costSentence(x.Cost))
	}
	return out
}

func writesSentence(w *result.Writes) string {
	text := fmt.Sprintf("Configuration writes during the faults: %s sent, %s acknowledged, %s lost, %s half-written, %s unanswered",
		figure.Count(w.Sent), figure.Count(w.Acknowledged), figure.Count(w.Lost), figure.Count(w.Half), figure.Count(w.Unknown))
	if w.VisibleMaxMS != nil && w.VisibleP50MS != nil {
		text += fmt.Sprintf("; %s were followed: every running replica served them after %s (median), %s at most",
			figure.Count(w.Followed), figure.Millis(*w.VisibleP50MS), figure.Millis(*w.VisibleMaxMS))
	}
	return text + "."
}

func costSentence(c *result.FaultCost) string {
	return fmt.Sprintf("Cost: %s lost per fault, over %d fault(s). At %s such faults per month (assumed), availability is %s,"+
		" which uses %s of the error budget of an objective of %s (assumed).",
		figure.Millis(c.LostSPerFault*1000), c.Faults, figure.Rounded(c.FaultsPerMonth),
		figure.Percent(c.MonthlyAvailability), figure.Percent(c.BudgetSpent), figure.Percent(c.Objective))
}

// experimentPart is what was expected and seen. Empty without an experiment.
func experimentPart(r *result.Result) part {
	if r.Experiment == nil {
		return part{}
	}
	p := part{ID: "experiment", Title: "Experiment", Notes: consequences(r)}
	p.drawFile("What happened, second by second", timelinePlot(r), result.FileTimeline)
	p.tabulate(expectationGrid(r))
	p.tabulate(regionGrid(r.Experiment))
	p.tabulate(togetherGrid(r.Experiment))
	p.tabulate(limitGrid(r.Experiment.Limit))
	p.tabulate(tokenGrid(r.Experiment.Tokens))
	p.tabulate(entryGrid(r))
	p.tabulate(driftGrid(r))
	return p
}
