package runner

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
)

// aftermath is how long after a fault's end its consequences are still counted.
const aftermath = 5 * time.Second

// conclude asks for what was written and puts the experiment into the result.
func (x *experiment) conclude(ctx context.Context, a *attacked) error {
	out := &report.Experiment{CapacityQPS: x.capacity, Drift: drift(a.readings)} // passes when it has been judged
	x.run.result.Experiment = out
	for _, err := range x.errs {
		x.run.result.InvalidReasons = append(x.run.result.InvalidReasons, x.stage.Name+": fault: "+err.Error())
	}
	if x.writes != nil {
		if err := x.writes.verify(ctx); err != nil {
			return err
		}
		out.Writes = x.writes.figures()
	}
	for _, e := range x.entries {
		out.Entries = append(out.Entries, e.figures())
	}
	slices.SortFunc(x.events, func(p, q fault.Event) int { return p.InjectedAt.Compare(q.InjectedAt) })
	for i, e := range x.events {
		if e.InjectedAt.IsZero() {
			continue
		}
		x.run.result.Faults = append(x.run.result.Faults, x.faultFigures(a, e, x.until(i)))
		to := e.RecoveredAt
		if to.IsZero() {
			to = a.result.Ended
		}
		out.Bands = append(out.Bands, report.Band{FromS: e.InjectedAt.Sub(a.result.Began).Seconds(), ToS: to.Sub(a.result.Began).Seconds(), Label: e.Kind + " " + e.Target})
	}
	out.Timeline = x.timeline(a.result.Began)
	out.Cost = x.cost()
	x.judge(out, a)
	return nil
}

// until is when the consequences of the i-th fault end, as far as can be told:
// a while after its end, or when another one begins.
func (x *experiment) until(i int) time.Time {
	e := x.events[i]
	end := e.RecoveredAt
	if end.IsZero() {
		end = e.RecoverAt
	}
	if end.IsZero() {
		end = e.InjectedAt
	}
	last := end.Add(aftermath)
	for _, next := range x.events[i+1:] {
		if !next.InjectedAt.IsZero() && next.InjectedAt.After(end) && next.InjectedAt.Before(last) {
			last = next.InjectedAt
		}
	}
	return last
}

func (e *entry) figures() report.Entry {
	out := report.Entry{Name: e.name, Method: e.method, Information: e.direct, RatePerS: e.rate, Failures: map[string]uint64{}}
	probes := probesOf(e.result, time.Time{}, forever)
	for _, p := range e.result.Probes {
		if p.OK {
			continue
		}
		out.Failures[p.Err+" "+said(p, e.name)]++
	}
	out.Availability = availability(probes)
	for _, o := range measure.Outages(probes, outageGap) {
		out.OutageMS += inMS(o.Length())
		out.LongestOutageMS = max(out.LongestOutageMS, inMS(o.Length()))
	}
	out.ResolutionMS = inMS(measure.Resolution(probes))
	return out
}

// said is who made a failure known.
func said(p load.Probe, entry string) string {
	switch {
	case p.Node != "":
		return "by " + p.Node
	case p.Status != 0:
		return "by " + entry
	}
	return "(no answer)"
}

// client is what a client sees that knows every balancer: a probe of the first
// one, or of another where that failed. Nil without probes of the kind.
func (x *experiment) client(method string) *load.Result {
	var out *load.Result
	for _, e := range x.entries {
		switch {
		case e.direct || e.method != method || e.result == nil:
		case out == nil:
			whole := *e.result
			whole.Probes = slices.Clone(whole.Probes)
			out = &whole
		default:
			for i := range min(len(out.Probes), len(e.result.Probes)) {
				if !out.Probes[i].OK && e.result.Probes[i].OK {
					offset := out.Probes[i].Offset
					out.Probes[i] = e.result.Probes[i]
					out.Probes[i].Offset = offset
				}
			}
		}
	}
	return out
}

// faultFigures is what one fault did, by the probes between its injection and
// the end of its consequences.
func (x *experiment) faultFigures(a *attacked, e fault.Event, until time.Time) report.Fault {
	f := report.Fault{Name: e.Kind, Target: e.Target, Stage: x.stage.Name, Round: 1, InjectedAt: e.InjectedAt}
	if !e.EffectObservedAt.IsZero() {
		f.EffectObservedAt = ptr(e.EffectObservedAt)
	}
	if !e.RecoveredAt.IsZero() {
		f.RecoveredAt = ptr(e.RecoveredAt)
	}
	var requests uint64
	for _, s := range a.result.Series {
		at := a.result.Began.Add(time.Duration(s.Offset) * time.Second)
		if at.Add(time.Second).After(e.InjectedAt) && at.Before(until) {
			requests += s.Failed
		}
	}
	f.RequestsFailed = &requests
	if x.writes != nil {
		f.LostWrites = ptr(x.writes.lostIn(e.InjectedAt, until))
	}
	res := x.client(http.MethodGet)
	probes := probesOf(res, e.InjectedAt, until)
	if len(probes) == 0 {
		return f
	}
	av := availability(probes)
	f.Probes, f.Failed, f.IdempotentFailed = &av.Probes, &av.Failed, &av.Failed
	f.Availability, f.AvailabilityLow, f.AvailabilityHigh = &av.Availability, &av.Low, &av.High
	f.ResolutionMS = ptr(inMS(measure.Resolution(probes)))
	var outage time.Duration
	for _, o := range measure.Outages(probes, outageGap) {
		outage += o.Length()
	}
	f.OutageMS = ptr(inMS(outage))
	f.Paid = x.paid(e.InjectedAt, until)
	f.TimeToDetectMS, f.TimeToRecoverMS = hurtFor(res, probes, e.InjectedAt), usedAgain(res, e.Target, e.RecoverAt)
	return f
}

// paid are the failures of clients' probes in a time, by kind and by who said
// so; nil where there was none.
func (x *experiment) paid(from, to time.Time) map[string]uint64 {
	var out map[string]uint64
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		res := x.client(method)
		if res == nil {
			continue
		}
		for _, p := range res.Probes {
			at := res.Began.Add(p.Offset)
			if p.OK || at.Before(from) || !at.Before(to) {
				continue
			}
			if out == nil {
				out = map[string]uint64{}
			}
			out[method+" "+p.Err+" "+said(p, lab.RoleBalancer)]++
		}
	}
	return out
}

func (w *writer) figures() *report.Writes {
	out := &report.Writes{Sent: uint64(len(w.sent)), Followed: uint64(len(w.visible))}
	for _, one := range w.sent {
		switch {
		case one.acked:
			out.Acknowledged++
		case !one.known:
			out.Unknown++
		}
		if one.lost {
			out.Lost++
		}
		if one.half {
			out.Half++
		}
	}
	if len(w.visible) > 0 {
		slices.Sort(w.visible)
		out.VisibleP50MS = ptr(inMS(w.visible[len(w.visible)/2]))
		out.VisibleMaxMS = ptr(inMS(w.visible[len(w.visible)-1]))
	}
	return out
}

// timeline is who answered in each second.
func (x *experiment) timeline(began time.Time) []report.Moment {
	res := x.client(http.MethodGet)
	if res == nil {
		return nil
	}
	var out []report.Moment
	for _, p := range res.Probes {
		i := int(res.Began.Add(p.Offset).Sub(began) / time.Second)
		for len(out) <= i {
			out = append(out, report.Moment{Offset: len(out), Nodes: map[string]uint64{}})
		}
		if p.OK && p.Node != "" {
			out[i].Nodes[p.Node]++
		}
		if !p.OK {
			out[i].Failed++
		}
	}
	return out
}

// cost is what the faults make of a month.
func (x *experiment) cost() *report.FaultCost {
	month, res, faults := x.stage.Month, x.client(http.MethodGet), len(x.run.result.Faults)
	if month.Faults == 0 || res == nil || faults == 0 {
		return nil
	}
	lost := measure.ErrorSeconds(probesOf(res, time.Time{}, forever)) / time.Duration(faults)
	out := &report.FaultCost{FaultsPerMonth: month.Faults, Objective: month.Objective, Faults: faults,
		LostSPerFault: lost.Seconds(), MonthlyAvailability: measure.Monthly(lost, month.Faults)}
	if month.Objective < 1 {
		out.BudgetSpent = (1 - out.MonthlyAvailability) / (1 - month.Objective)
	}
	return out
}

// judge compares what was seen with what the scenario expects.
func (x *experiment) judge(out *report.Experiment, a *attacked) {
	idempotent := idempotentFailed(x.stage, a.result) + x.failedEverywhere(http.MethodGet)
	all := a.result.Failed + x.failedEverywhere(http.MethodGet) + x.failedEverywhere(http.MethodPost)
	out.Passed = true
	expect := func(what, want, saw string, met bool) {
		out.Expectations = append(out.Expectations, report.Expectation{What: what, Want: want, Saw: saw, Met: met})
		out.Passed = out.Passed && met
	}
	bounds := func(what string, saw uint64, least, most *int) {
		if most != nil {
			expect(what, fmt.Sprintf("at most %d", *most), fmt.Sprint(saw), saw <= uint64(*most)) //nolint:gosec // checked when read
		}
		if least != nil {
			expect(what, fmt.Sprintf("at least %d", *least), fmt.Sprint(saw), saw >= uint64(*least)) //nolint:gosec // checked when read
		}
	}
	e := x.stage.Expect
	bounds(report.WhatIdempotent, idempotent, e.IdempotentFailedMin, e.IdempotentFailedMax)
	bounds(report.WhatAny, all, e.FailedMin, e.FailedMax)
	if w := out.Writes; w != nil {
		expect("acknowledged writes lost or half there", "0", fmt.Sprint(w.Lost+w.Half), w.Lost+w.Half == 0)
	}
	x.judgeGrowth(out, expect)
	seen := 0
	for _, f := range x.run.result.Faults {
		if f.EffectObservedAt != nil && f.RecoveredAt != nil {
			seen++
		}
	}
	due := len(x.stage.Schedule())
	expect("faults that had their effect and were mended", fmt.Sprint(due), fmt.Sprint(seen), seen == due)
}

// failedEverywhere counts the probes of a kind that failed at every balancer:
// a client that knows two of them tries the other.
func (x *experiment) failedEverywhere(method string) (n uint64) {
	res := x.client(method)
	if res == nil {
		return 0
	}
	for _, p := range res.Probes {
		if !p.OK {
			n++
		}
	}
	return n
}
