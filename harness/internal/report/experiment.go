package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Experiment is what came of breaking things on purpose under load: beside
// Faults, which has each of them, this is the whole.
type Experiment struct {
	Passed       bool          `json:"passed"` // every expectation was met
	Expectations []Expectation `json:"expectations"`
	Entries      []Entry       `json:"entries"` // what probes saw, by entry point and kind of request
	Writes       *Writes       `json:"writes,omitempty"`
	Cost         *FaultCost    `json:"cost,omitempty"`
	Timeline     []Moment      `json:"timeline,omitempty"`
	Bands        []Band        `json:"bands,omitempty"` // when faults were at work
	// CapacityQPS is what the lab carries of an open loop, of which the load is a
	// share: by the cores' use at a quarter of the closed loop's rate. Absent: the
	// rate was stated.
	CapacityQPS *float64 `json:"capacity_qps,omitempty"`
	Drift       []Drift  `json:"drift,omitempty"` // by node
}

// What an Expectation can be about, where others count on the words.
const (
	WhatIdempotent = "idempotent requests failed"
	WhatAny        = "requests of any kind failed"
)

// Drift is what a node held at the beginning of the load and at its end: medians
// of the first and of the last tenth of the readings. Goroutines are a gateway's.
type Drift struct {
	Node            string   `json:"node"`
	MemoryFirstMiB  *float64 `json:"memory_first_mib,omitempty"`
	MemoryLastMiB   *float64 `json:"memory_last_mib,omitempty"`
	GoroutinesFirst *float64 `json:"goroutines_first,omitempty"`
	GoroutinesLast  *float64 `json:"goroutines_last,omitempty"`
	Restarts        uint64   `json:"restarts,omitempty"` // of a gateway: it began anew so often
}

// Expectation is one thing that the experiment was to show.
type Expectation struct {
	What string `json:"what"`
	Want string `json:"want"`
	Saw  string `json:"saw"`
	Met  bool   `json:"met"`
}

// Entry is what probes of one kind saw at one entry point. Only what is for
// Information does not decide: clients go through the balancers.
type Entry struct {
	Name        string  `json:"name"`   // lb, lb-2, gateway-1
	Method      string  `json:"method"` // GET or POST
	Information bool    `json:"information"`
	RatePerS    float64 `json:"rate_per_s"`
	Availability
	OutageMS        float64           `json:"outage_ms"`         // all outages together
	LongestOutageMS float64           `json:"longest_outage_ms"` // from the first bad probe to the last
	ResolutionMS    float64           `json:"resolution_ms"`
	Failures        map[string]uint64 `json:"failures,omitempty"` // by kind and by who said so
}

// Writes is what became of configuration that was written during the faults.
type Writes struct {
	Sent         uint64   `json:"sent"`
	Acknowledged uint64   `json:"acknowledged"`
	Lost         uint64   `json:"lost"`     // acknowledged, and not there afterwards on some replica
	Half         uint64   `json:"half"`     // there, but not as it was written
	Unknown      uint64   `json:"unknown"`  // without an answer; may be there or not, but whole
	Followed     uint64   `json:"followed"` // of which it was measured when each living replica served them
	VisibleP50MS *float64 `json:"visible_p50_ms,omitempty"`
	VisibleMaxMS *float64 `json:"visible_max_ms,omitempty"`
}

// FaultCost is what such faults make of a month of 30 days.
type FaultCost struct {
	FaultsPerMonth      float64 `json:"faults_per_month"` // assumed
	Objective           float64 `json:"objective"`        // assumed
	Faults              int     `json:"faults"`           // of this run, over which the loss is spread
	LostSPerFault       float64 `json:"lost_s_per_fault"` // error-seconds: bad probes times their distance
	MonthlyAvailability float64 `json:"monthly_availability"`
	BudgetSpent         float64 `json:"budget_spent"` // of the month's error budget; 1 is all of it
}

// Moment is one second: who answered the idempotent probes at the balancers.
type Moment struct {
	Offset int               `json:"offset"` // seconds from the beginning of the open attack's measured window
	Nodes  map[string]uint64 `json:"nodes"`
	Failed uint64            `json:"failed"`
}

// Band is the time in which one fault was at work.
type Band struct {
	FromS float64 `json:"from_s"`
	ToS   float64 `json:"to_s"`
	Label string  `json:"label"`
}

// headline is the verdict in words.
func (x *Experiment) headline() string {
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
		return "Not judged: the experiment broke off"
	}
	return "As expected: the faults had their effect, and what was to hold held"
}

// expectations is the verdict's table.
func (r *Result) expectations() grid {
	g := grid{Title: "Expected", Heads: []string{"what", "wanted", "saw", "met"}, Text: []bool{true, true, true, true}}
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

// entries is availability by entry point.
func (r *Result) entries() grid {
	g := grid{
		Title: "Entry points",
		Note:  "Open-loop probes beside the load. A balancer's decide; those straight at a gateway are for information: nobody switches away from it.",
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
		g.add(e.Failed > 0 && !e.Information, name, e.Method, grouped(float64(e.Probes)), grouped(float64(e.Failed)),
			fmt.Sprintf("%s (%s to %s)", percent(e.Availability.Availability), percent(e.Low), percent(e.High)),
			span(e.OutageMS), span(e.LongestOutageMS), span(e.ResolutionMS), tallied(e.Failures))
	}
	return g
}

// drifts is what nodes held at both ends of the load.
func (r *Result) drifts() grid {
	g := grid{
		Title: "Memory and goroutines, at the beginning and at the end",
		Note:  "Medians of the first and of the last tenth of the readings under load. A gateway that was restarted began anew.",
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
		g.add(false, d.Node, figureOr(d.MemoryFirstMiB), figureOr(d.MemoryLastMiB), figureOr(d.GoroutinesFirst), figureOr(d.GoroutinesLast), grouped(float64(d.Restarts)))
	}
	return g
}

// tallied are counts, the largest first.
func tallied(m map[string]uint64) string {
	var parts []string
	for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) }) {
		parts = append(parts, fmt.Sprintf("%s %s", grouped(float64(m[k])), k))
	}
	return strings.Join(parts, ", ")
}

// consequences are writes and cost in words.
func (r *Result) consequences() []string {
	x := r.Experiment
	if x == nil {
		return nil
	}
	var out []string
	if x.CapacityQPS != nil && len(r.Stages) > 0 && r.Stages[0].Load.OfferedQPS != nil {
		offered := *r.Stages[0].Load.OfferedQPS
		out = append(out, fmt.Sprintf("Load: %s requests/s, %s of the %s that the cores carry of an open loop (by their use at a quarter of the closed loop's rate).",
			figure(offered), percent(offered / *x.CapacityQPS), figure(*x.CapacityQPS)))
	}
	if w := x.Writes; w != nil {
		text := fmt.Sprintf("Configuration written meanwhile: %s sent, %s acknowledged, %s lost, %s half there, %s without an answer",
			grouped(float64(w.Sent)), grouped(float64(w.Acknowledged)), grouped(float64(w.Lost)), grouped(float64(w.Half)), grouped(float64(w.Unknown)))
		if w.VisibleMaxMS != nil && w.VisibleP50MS != nil {
			text += fmt.Sprintf("; %s were followed: served by every living replica after %s (median), %s at most", grouped(float64(w.Followed)), span(*w.VisibleP50MS), span(*w.VisibleMaxMS))
		}
		out = append(out, text+".")
	}
	if c := x.Cost; c != nil {
		out = append(out, fmt.Sprintf("Cost: %s lost a fault, over %d fault(s). At %s such faults a month (assumed) that is an availability of %s, and %s of the error budget of an objective of %s (assumed).",
			span(c.LostSPerFault*1000), c.Faults, figure(c.FaultsPerMonth), percent(c.MonthlyAvailability), percent(c.BudgetSpent), percent(c.Objective)))
	}
	return out
}

// experimentPart is what was expected and seen. Empty without an experiment.
func (r *Result) experimentPart() part {
	if r.Experiment == nil {
		return part{}
	}
	p := part{ID: "experiment", Title: "Experiment", Notes: r.consequences()}
	p.drawFile("What happened, second by second", r.timelinePlot(), FileTimeline)
	p.tabulate(r.expectations())
	p.tabulate(r.entries())
	p.tabulate(r.drifts())
	return p
}
