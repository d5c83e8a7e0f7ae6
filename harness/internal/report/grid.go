package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// grid is a table for people; every format prints the same ones. The first
// column is text, all others figures unless Text says otherwise.
type grid struct {
	Title string
	Note  string
	Heads []string
	Text  []bool // by column: true is set left
	Rows  [][]string
	Bad   []bool // by row: belongs to a stage that is not valid
	Level int    // of its heading on the page; 0 is 3
}

func (g *grid) add(bad bool, cells ...string) {
	g.Rows, g.Bad = append(g.Rows, cells), append(g.Bad, bad)
}

func (g *grid) empty() bool { return len(g.Rows) == 0 }

// below puts the grid's heading one level deeper on the page.
func (g grid) below(level int) grid {
	g.Level = level + 1
	return g
}

// compact leaves out columns in which no row has a figure.
func (g grid) compact() grid {
	out := grid{Title: g.Title, Note: g.Note, Bad: g.Bad, Level: g.Level, Rows: make([][]string, len(g.Rows))}
	for i, head := range g.Heads {
		if !slices.ContainsFunc(g.Rows, func(row []string) bool { return row[i] != figure.NA && row[i] != "" }) {
			continue
		}
		out.Heads, out.Text = append(out.Heads, head), append(out.Text, i < len(g.Text) && g.Text[i])
		for j, row := range g.Rows {
			out.Rows[j] = append(out.Rows[j], row[i])
		}
	}
	return out
}

// stageLabel is the stage's name, with the mark that an invalid one always carries.
func stageLabel(s *result.Stage) string {
	if s.Valid {
		return s.Name
	}
	return s.Name + " (INVALID)"
}

// summaryGrid is the table that is read first.
func summaryGrid(r *result.Result) grid {
	g := grid{
		Title: "Ladder",
		Note: "QPS: closed-loop capacity, in successes per second. Latency: open-loop, from the intended send time (corrected)." +
			" Errors and hits are of the same attack. Availability is measured by probes.",
		Heads: []string{
			"stage", "QPS closed-loop", "vs first", "vs previous", "offered open-loop", "p50 ms", "p99 ms", "errors",
			"availability", "hits", "CPU us/req", "limited by",
		},
		Text: []bool{0: true, 11: true},
	}
	for i, s := range r.Ladder() {
		first, previous := figure.Times(s.VsFirst), figure.Times(s.VsPrevious)
		if i == 0 {
			first, previous = "", ""
		}
		limit := figure.NA
		if s.Bottleneck != nil {
			limit = s.Bottleneck.Component
		}
		g.add(!s.Valid, stageLabel(s.Stage), figure.RoundedOr(s.QPS), first, previous, figure.RoundedOr(s.Load.OfferedQPS),
			figure.RoundedOr(s.P50()), figure.RoundedOr(s.P99()), figure.PercentOr(s.ErrorRate), figure.PercentOr(s.AvailabilityShare()),
			figure.PercentOr(s.HitRatio()), figure.RoundedOr(s.CPUTotalUS()), limit)
	}
	return g
}

// latencyGrid is the corrected and the service latency of every stage.
func latencyGrid(r *result.Result) grid {
	g := grid{
		Title: "Latency, open-loop, ms",
		Note: "Corrected latency is measured from the intended send time, and service latency from the actual send time. A percentile without" +
			" enough samples is n/a. Closed-loop latency is shown only for comparison with published figures: no user experiences it.",
		Heads: []string{"stage", "kind", "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "samples"},
		Text:  []bool{true, true},
	}
	row := func(s *result.Stage, kind string, l *result.Latency) {
		if l != nil {
			g.add(!s.Valid, stageLabel(s), kind, figure.RoundedOr(l.P50), figure.RoundedOr(l.P90), figure.RoundedOr(l.P95),
				figure.RoundedOr(l.P99), figure.RoundedOr(l.P999), figure.RoundedOr(l.Max), figure.RoundedOr(l.Mean),
				figure.CountOr(l.Samples))
		}
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		row(s, "corrected", s.LatencyMS)
		row(s, "service", s.ServiceLatencyMS)
	}
	return g
}

// costGrid is the CPU time of every component.
func costGrid(r *result.Result) grid {
	roles := r.Roles()
	g := grid{
		Title: "CPU us per request, by component",
		Note:  "CPU time over the measured windows, divided by the requests in them.",
		Heads: append(append([]string{"stage"}, roles...), "total"),
		Text:  []bool{true},
	}
	if len(roles) == 0 {
		return g
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		row := []string{stageLabel(s)}
		for _, role := range roles {
			var v *float64
			if us, ok := s.CPUPerRequestUS[role]; ok {
				v = &us
			}
			row = append(row, figure.RoundedOr(v))
		}
		g.add(!s.Valid, append(row, figure.RoundedOr(s.CPUTotalUS()))...)
	}
	return g
}

// publishedGrid puts published figures beside measured ones.
func publishedGrid(r *result.Result) grid {
	g := grid{
		Title: "Published and measured figures",
		Note: "The published figures are from a closed loop: compare them with the closed-loop row. The open-loop row is the latency that" +
			" users experience at that rate. Availability is measured by probes at the same time.",
		Heads: []string{"stage", "source", "QPS", "p50 ms", "p99 ms", "errors", "availability"},
		Text:  []bool{true, true},
	}
	row := func(s *result.Stage, source string, qps *float64, l *result.Latency, errors, availability *float64) {
		if l == nil {
			l = &result.Latency{}
		}
		g.add(!s.Valid, stageLabel(s), source, figure.RoundedOr(qps), figure.RoundedOr(l.P50), figure.RoundedOr(l.P99),
			figure.PercentOr(errors), figure.PercentOr(availability))
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		p := s.Published
		if p == nil {
			continue
		}
		g.add(false, s.Name, "published", figure.RoundedOr(p.QPS), figure.RoundedOr(p.P50MS), figure.RoundedOr(p.P99MS),
			figure.PercentOr(p.ErrorRate), figure.PercentOr(p.Availability))
		if s.QPS != nil {
			row(s, "measured, closed-loop", s.QPS, s.ClosedLatencyMS, s.ClosedErrorRate, nil)
		}
		if s.Load.OfferedQPS != nil {
			row(s, "measured, open-loop", s.Load.OfferedQPS, s.LatencyMS, s.ErrorRate, s.AvailabilityShare())
		}
	}
	return g
}

// faultGrid is the outcome of each fault.
func faultGrid(r *result.Result) grid {
	g := grid{
		Title: "Faults",
		Note: "Outage: from the first to the last failed probe, with the resolution of the probe interval. Impact: from the injection to the" +
			" last probe that failed or was slow, before a second without such probes. Recovery: from the start of the recovery to the first" +
			" of three consecutive responses of the target. Requests: those of the load.",
		Heads: []string{
			"fault", "stage", "effect observed", "probes", "failed", "availability (95% interval)", "outage", "impact",
			"recovery", "requests failed (idempotent)", "lost writes",
		},
		Text: []bool{true, true, true},
	}
	for _, f := range r.Faults {
		seen := "never"
		if f.EffectObservedAt != nil {
			seen = "after " + figure.Millis(float64(f.EffectObservedAt.Sub(f.InjectedAt).Microseconds())/1000)
		}
		interval := figure.PercentOr(f.Availability)
		if f.AvailabilityLow != nil && f.AvailabilityHigh != nil {
			interval += fmt.Sprintf(" (%s to %s)", figure.Percent(*f.AvailabilityLow), figure.Percent(*f.AvailabilityHigh))
		}
		stage := f.Stage
		if f.Round > 1 {
			stage += ", round " + strconv.Itoa(f.Round)
		}
		g.add(f.EffectObservedAt == nil, f.Name+" "+f.Target, stage, seen, figure.CountOr(f.Probes), figure.CountOr(f.Failed), interval,
			outageText(f), impactText(f), withinText(f, f.TimeToRecoverMS), failedRequests(f), figure.CountOr(f.LostWrites))
	}
	return g.compact()
}

// outcomes is what became of each group's or request's share.
func outcomes(title, head string, of map[string]result.Outcomes) grid {
	g := grid{Title: title, Heads: []string{head, "requests", "successes", "success", "rate-limited", "failed"}, Text: []bool{true}}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		o := of[name]
		share := figure.NA
		if o.Requests > 0 {
			share = figure.Percent(float64(o.Successes) / float64(o.Requests))
		}
		g.add(false, name, figure.Count(o.Requests), figure.Count(o.Successes), share, figure.Count(o.Limited), figure.Count(o.Failed))
	}
	return g
}

// checkGrid are the checks of a stage's figures.
func checkGrid(s *result.Stage) grid {
	g := grid{Title: "Checks", Heads: []string{"check", "attack", "observed", "wanted", "verdict"}, Text: []bool{true, true, true, true, true}}
	for _, c := range s.Checks {
		g.add(c.Verdict == measure.Invalid, c.Name, c.Attack, c.Saw, c.Limit, loud(c.Verdict))
	}
	return g
}
