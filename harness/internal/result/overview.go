package result

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Overview is many experiments in one table.
type Overview struct {
	TookS       float64             `json:"took_s"` // all of them, labs and reports included
	Experiments []ExperimentSummary `json:"experiments"`
}

// ExperimentSummary is one experiment of an Overview. Probes are a client's at the
// balancers, in which idempotent ones are GET and others POST.
type ExperimentSummary struct {
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
		one := summarized(r)
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

// summarized is the summary of one run.
func summarized(r *Result) ExperimentSummary {
	x := r.Experiment
	out := ExperimentSummary{
		Scenario: r.Scenario,
		RunID:    r.RunID,
		Passed:   x.Passed,
		Valid:    r.Valid,
		Faults:   len(r.Faults),
		TookS:    r.FinishedAt.Sub(r.StartedAt).Seconds(),
	}
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
		out.Changes = s.Changes
		out.OfferedQPS = s.Load.OfferedQPS
		out.P99MS = s.P99()
		for _, a := range s.OpenAttacks() {
			out.Requests, out.Failed = &a.Requests, &a.Failed
		}
	}
	out.Get, out.Post = x.Best("GET"), x.Best("POST")
	out.HurtMS = Longest(r.Faults, func(f *Fault) *float64 { return f.ImpactMS })
	out.UsedAgainMS = Longest(r.Faults, func(f *Fault) *float64 { return f.TimeToRecoverMS })
	if w := x.Writes; w != nil {
		lost := w.Lost + w.Half
		out.Acknowledged = &w.Acknowledged
		out.Lost = &lost
		out.VisibleMaxMS = w.VisibleMaxMS
	}
	return out
}
