package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Overview is many experiments in one table.
type Overview struct {
	TookS       float64        `json:"took_s"` // all of them, labs and reports included
	Experiments []Experimented `json:"experiments"`
}

// Experimented is one experiment of an Overview. Probes are a client's at the
// balancers, in which idempotent ones are GET and others POST.
type Experimented struct {
	Scenario   string   `json:"scenario"`
	RunID      string   `json:"run_id"`
	Passed     bool     `json:"passed"`
	Valid      bool     `json:"valid"`
	Problems   []string `json:"problems,omitempty"` // why it is not valid, or what was not as expected
	Changes    []string `json:"changes,omitempty"`
	OfferedQPS *float64 `json:"offered_qps,omitempty"`
	P99MS      *float64 `json:"p99_ms,omitempty"` // corrected, of the load under faults
	TookS      float64  `json:"took_s"`

	Faults   int           `json:"faults"`
	Requests *uint64       `json:"requests,omitempty"` // of the load, all kinds
	Failed   *uint64       `json:"failed,omitempty"`   // of them, all kinds
	Get      *Availability `json:"get,omitempty"`      // probes that may be sent twice
	Post     *Availability `json:"post,omitempty"`     // probes that may not
	// IdempotentFailed are requests of load and probes that may be sent twice and
	// failed; absent: the experiment does not ask for it.
	IdempotentFailed *string `json:"idempotent_failed,omitempty"`

	HurtMS       *float64 `json:"hurt_ms,omitempty"`       // longest of any fault: from it to the last probe that it hurt
	UsedAgainMS  *float64 `json:"used_again_ms,omitempty"` // longest of any fault
	Acknowledged *uint64  `json:"acknowledged,omitempty"`  // writes
	Lost         *uint64  `json:"lost,omitempty"`          // of them, or half there
	VisibleMaxMS *float64 `json:"visible_max_ms,omitempty"`
}

// NewOverview sums experiments up as a result of its own, named name. An error
// says which of them is none.
func NewOverview(name string, of []*Result) (*Result, error) {
	if len(of) == 0 {
		return nil, errors.New("overview: no experiment is given")
	}
	last := of[len(of)-1]
	out := &Result{
		RunID: last.FinishedAt.UTC().Format("20060102T150405Z") + "-" + name, Scenario: name, Profile: last.Profile, Runtime: last.Runtime,
		StartedAt: of[0].StartedAt, FinishedAt: last.FinishedAt, Manifest: last.Manifest, Overview: &Overview{},
	}
	out.Manifest.Stages = nil
	for _, r := range of {
		if r.Experiment == nil {
			return nil, fmt.Errorf("overview: run %s is no experiment", r.RunID)
		}
		one := experimented(r)
		out.Overview.Experiments = append(out.Overview.Experiments, one)
		out.Overview.TookS += one.TookS
		if !r.Valid {
			out.InvalidReasons = append(out.InvalidReasons, r.Scenario+": "+strings.Join(r.InvalidReasons, "; "))
		}
		out.StartedAt, out.FinishedAt = earlier(out.StartedAt, r.StartedAt), later(out.FinishedAt, r.FinishedAt)
	}
	out.Settle()
	return out, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// experimented is a run's row.
func experimented(r *Result) Experimented {
	x := r.Experiment
	out := Experimented{Scenario: r.Scenario, RunID: r.RunID, Passed: x.Passed, Valid: r.Valid, Faults: len(r.Faults), TookS: r.FinishedAt.Sub(r.StartedAt).Seconds()}
	out.Problems = append(out.Problems, r.InvalidReasons...)
	for _, e := range x.Expectations {
		if e.What == WhatIdempotent {
			out.IdempotentFailed = &e.Saw
		}
		if !e.Met {
			out.Problems = append(out.Problems, fmt.Sprintf("%s: %s, wanted %s", e.What, e.Saw, e.Want))
		}
	}
	if n := len(r.Stages); n > 0 {
		s := r.Stages[n-1]
		out.Changes, out.OfferedQPS, out.P99MS = s.Changes, s.Load.OfferedQPS, s.p99()
		for _, a := range s.open() {
			out.Requests, out.Failed = &a.Requests, &a.Failed
		}
	}
	out.Get, out.Post = x.best("GET"), x.best("POST")
	for _, f := range r.Faults {
		out.HurtMS, out.UsedAgainMS = larger(out.HurtMS, f.TimeToDetectMS), larger(out.UsedAgainMS, f.TimeToRecoverMS)
	}
	if w := x.Writes; w != nil {
		lost := w.Lost + w.Half
		out.Acknowledged, out.Lost, out.VisibleMaxMS = &w.Acknowledged, &lost, w.VisibleMaxMS
	}
	return out
}

// best is what the probes of a method saw at the balancer at which fewest
// failed: where one of two is broken, a client goes to the other.
func (x *Experiment) best(method string) (out *Availability) {
	for i := range x.Entries {
		e := &x.Entries[i]
		if !e.Information && e.Method == method && (out == nil || e.Failed < out.Failed) {
			out = &e.Availability
		}
	}
	return out
}

// String is the outcome in a sentence.
func (o *Overview) String() string {
	passed, valid := 0, 0
	for i := range o.Experiments {
		if o.Experiments[i].Passed {
			passed++
		}
		if o.Experiments[i].Valid {
			valid++
		}
	}
	return fmt.Sprintf("%d of %d experiments as expected, %d valid, in %s.", passed, len(o.Experiments), valid, time.Duration(o.TookS*float64(time.Second)).Round(time.Second))
}

// grid is every experiment with what it cost.
func (o *Overview) grid() grid {
	g := grid{
		Title: "Experiments",
		Note: "Failed of the load counts requests of any kind; in brackets, with the probes, those that may be sent twice. Probes are open-loop and beside the load, with a 95% interval. " +
			"Hurt and used again are the longest of any fault. Writes are those that the Admin API acknowledged.",
		Heads: []string{"experiment", "what is broken", "faults", "load, requests/s", "p99 ms", "load failed (idempotent)", "GET probes failed", "GET availability", "POST probes failed", "POST availability", "probes hurt for", "used again after", "writes", "lost or half", "visible after", "as expected"},
		Text:  []bool{0: true, 1: true, 15: true},
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
		failed := countOr(e.Failed)
		if e.IdempotentFailed != nil {
			failed += " (" + *e.IdempotentFailed + ")"
		}
		g.add(!e.Passed || !e.Valid, name, strings.Join(e.Changes, ", "), fmt.Sprint(e.Faults), figureOr(e.OfferedQPS), figureOr(e.P99MS), failed,
			e.Get.failed(), e.Get.interval(), e.Post.failed(), e.Post.interval(), spanOr(e.HurtMS), spanOr(e.UsedAgainMS),
			countOr(e.Acknowledged), countOr(e.Lost), spanOr(e.VisibleMaxMS), met)
	}
	return g
}

// brief is the grid for a terminal: a table that wraps is no table.
func (o *Overview) brief() grid {
	g := o.grid()
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

func (a *Availability) failed() string {
	if a == nil {
		return na
	}
	return grouped(float64(a.Failed)) + " of " + grouped(float64(a.Probes))
}

func (a *Availability) interval() string {
	if a == nil {
		return na
	}
	return fmt.Sprintf("%s (%s to %s)", percent(a.Availability), percent(a.Low), percent(a.High))
}

// overviewPart is the table of all experiments. Empty without one.
func (r *Result) overviewPart() part {
	o := r.Overview
	if o == nil {
		return part{}
	}
	p := part{ID: "overview", Title: "Experiments", Verdict: "pass"}
	if slices.ContainsFunc(o.Experiments, func(e Experimented) bool { return !e.Passed || !e.Valid }) {
		p.Verdict = "fail"
	}
	for i := range o.Experiments {
		for _, what := range o.Experiments[i].Problems {
			p.Notes = append(p.Notes, o.Experiments[i].Scenario+": "+what)
		}
	}
	p.tabulate(o.grid())
	return p
}
