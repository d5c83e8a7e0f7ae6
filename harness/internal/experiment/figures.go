package experiment

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// aftermath is for how long after a fault's end its consequences are counted.
const aftermath = 5 * time.Second

// begin puts an experiment into the session's result that has not passed, as it was not judged yet, with all that is known for certain.
func (x *experiment) begin(a *assess.Recording) *result.Experiment {
	r := x.session.Result
	r.Experiment = &result.Experiment{CapacityQPS: x.capacity, Drift: drift(a.Readings)}
	for _, err := range x.errs {
		r.InvalidReasons = append(r.InvalidReasons, x.stage.Name+": fault: "+err.Error())
	}
	return r.Experiment
}

// report completes the experiment in the session's result and judges it.
func (x *experiment) report(out *result.Experiment, a *assess.Recording) {
	r := x.session.Result
	if x.writes != nil {
		out.Writes = x.writes.figures()
	}
	for _, e := range x.entries {
		out.Entries = append(out.Entries, e.figures())
	}
	began := a.Result.Began
	slices.SortFunc(x.events, func(p, q fault.Event) int { return p.InjectedAt.Compare(q.InjectedAt) })
	for i, e := range x.events {
		if e.InjectedAt.IsZero() {
			continue
		}
		r.Faults = append(r.Faults, x.faultFigures(a, e, x.until(i)))
		to := e.RecoveredAt
		if to.IsZero() {
			to = a.Result.Ended
		}
		out.Bands = append(out.Bands, result.Band{
			FromS: e.InjectedAt.Sub(began).Seconds(), ToS: to.Sub(began).Seconds(), Label: e.Kind + " " + e.Target,
		})
	}
	out.Timeline = x.timeline(began)
	out.Cost = x.cost()
	out.Regions, out.Together = x.regionFigures(out)
	x.judge(out, a)
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

// faultFigures is what one fault did, by the probes between its injection and
// the end of its consequences.
func (x *experiment) faultFigures(a *assess.Recording, e fault.Event, until time.Time) result.Fault {
	f := result.Fault{Name: e.Kind, Target: e.Target, Stage: x.stage.Name, Round: 1, InjectedAt: e.InjectedAt}
	if !e.EffectObservedAt.IsZero() {
		f.EffectObservedAt = new(e.EffectObservedAt)
	}
	if !e.RecoveredAt.IsZero() {
		f.RecoveredAt = new(e.RecoveredAt)
	}
	var requests uint64
	for _, s := range a.Result.Series {
		at := a.Result.Began.Add(time.Duration(s.Offset) * time.Second)
		if at.Add(time.Second).After(e.InjectedAt) && at.Before(until) {
			requests += s.Failed
		}
	}
	f.RequestsFailed = &requests
	if x.writes != nil {
		f.LostWrites = new(x.writes.lostIn(e.InjectedAt, until))
	}
	res := x.client(http.MethodGet)
	probes := assess.ProbesOf(res, e.InjectedAt, until)
	if len(probes) == 0 {
		return f
	}
	av := assess.Availability(probes)
	f.Probes, f.Failed = &av.Probes, &av.Failed
	f.IdempotentFailed, f.Availability = &av.Failed, &av.Availability
	f.AvailabilityLow, f.AvailabilityHigh = &av.Low, &av.High
	f.ResolutionMS = new(assess.InMS(measure.Resolution(probes)))
	var outage time.Duration
	for _, o := range measure.Outages(probes, assess.OutageGap) {
		outage += o.Length()
	}
	f.OutageMS = new(assess.InMS(outage))
	f.Paid = x.paid(e.InjectedAt, until)
	f.ImpactMS = assess.ImpactFor(res, probes, e.InjectedAt)
	f.TimeToRecoverMS = assess.UsedAgain(res, e.Target, e.RecoverAt)
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
			out[method+" "+p.Err+" "+said(p, topology.RoleBalancer)]++
		}
	}
	return out
}

// timeline is who answered in each second.
func (x *experiment) timeline(began time.Time) []result.Moment {
	res := x.client(http.MethodGet)
	if res == nil {
		return nil
	}
	var out []result.Moment
	for _, p := range res.Probes {
		i := int(res.Began.Add(p.Offset).Sub(began) / time.Second)
		for len(out) <= i {
			out = append(out, result.Moment{Offset: len(out), Nodes: map[string]uint64{}})
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
func (x *experiment) cost() *result.FaultCost {
	month, res := x.stage.Month, x.client(http.MethodGet)
	faults := len(x.session.Result.Faults)
	if month.Faults == 0 || res == nil || faults == 0 {
		return nil
	}
	lost := measure.ErrorSeconds(assess.ProbesOf(res, time.Time{}, assess.Forever)) / time.Duration(faults)
	out := &result.FaultCost{FaultsPerMonth: month.Faults, Objective: month.Objective, Faults: faults,
		LostSPerFault: lost.Seconds(), MonthlyAvailability: measure.Monthly(lost, month.Faults)}
	if month.Objective < 1 {
		out.BudgetSpent = (1 - out.MonthlyAvailability) / (1 - month.Objective)
	}
	return out
}

// judge compares what was seen with what the scenario expects.
func (x *experiment) judge(out *result.Experiment, a *assess.Recording) {
	idempotent := assess.IdempotentFailed(x.stage, a.Result) + x.failedEverywhere(http.MethodGet)
	all := a.Result.Failed + x.failedEverywhere(http.MethodGet) + x.failedEverywhere(http.MethodPost)
	out.Passed = true
	expect := func(what, want, saw string, met bool) {
		out.Expectations = append(out.Expectations, result.Expectation{What: what, Want: want, Saw: saw, Met: met})
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
	bounds(result.WhatIdempotent, idempotent, e.IdempotentFailedMin, e.IdempotentFailedMax)
	bounds(result.WhatAny, all, e.FailedMin, e.FailedMax)
	if w := out.Writes; w != nil {
		expect("acknowledged writes lost or half there", "0", fmt.Sprint(w.Lost+w.Half), w.Lost+w.Half == 0)
	}
	x.judgeGrowth(out, expect)
	x.judgeLimit(out, expect)
	x.judgeRegions(out, expect)
	judgeTokens(e.Tokens, out.Tokens, expect)
	seen := 0
	for _, f := range x.session.Result.Faults {
		if f.EffectObservedAt != nil && f.RecoveredAt != nil {
			seen++
		}
	}
	due := len(x.stage.Schedule())
	expect("faults that had their effect and were recovered", fmt.Sprint(due), fmt.Sprint(seen), seen == due)
}

// expectFunc notes what was expected and seen.
type expectFunc func(what, want, saw string, met bool)

// judgeGrowth compares the gateways' end with their beginning.
func (x *experiment) judgeGrowth(out *result.Experiment, expect expectFunc) {
	most := x.stage.Expect.GrowthMax
	if most == 0 {
		return
	}
	for _, one := range []struct {
		what string
		of   func(result.Drift) (first, last *float64)
	}{
		{
			"a gateway's goroutines, end compared with beginning",
			func(d result.Drift) (*float64, *float64) { return d.GoroutinesFirst, d.GoroutinesLast },
		},
		{
			"a gateway's memory, end compared with beginning",
			func(d result.Drift) (*float64, *float64) { return d.MemoryFirstMiB, d.MemoryLastMiB },
		},
	} {
		ratio, node := grew(out.Drift, one.of)
		saw := "too short to tell"
		if node != "" {
			saw = fmt.Sprintf("%.2f times (%s)", ratio, node)
		}
		expect(one.what, fmt.Sprintf("at most %g times", most), saw, node != "" && ratio <= most)
	}
}
