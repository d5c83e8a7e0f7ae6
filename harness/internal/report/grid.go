package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
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
		if !slices.ContainsFunc(g.Rows, func(row []string) bool { return row[i] != na && row[i] != "" }) {
			continue
		}
		out.Heads, out.Text = append(out.Heads, head), append(out.Text, i < len(g.Text) && g.Text[i])
		for j, row := range g.Rows {
			out.Rows[j] = append(out.Rows[j], row[i])
		}
	}
	return out
}

// label is the stage's name, with the mark that an invalid one always carries.
func (s *Stage) label() string {
	if s.Valid {
		return s.Name
	}
	return s.Name + " (INVALID)"
}

// summary is the table that is read first.
func (r *Result) summary() grid {
	g := grid{
		Title: "Ladder",
		Note:  "QPS is closed-loop capacity: successes per second. Latency is open-loop, corrected from the intended send time; errors and hits are of the same attack. Availability is the probe's.",
		Heads: []string{"stage", "QPS closed-loop", "vs first", "vs previous", "offered open-loop", "p50 ms", "p99 ms", "errors", "availability", "hits", "CPU us/req", "limited by"},
		Text:  []bool{0: true, 11: true},
	}
	for i, s := range r.ladder() {
		first, previous := times(s.VsFirst), times(s.VsPrevious)
		if i == 0 {
			first, previous = "", ""
		}
		limit := na
		if s.Bottleneck != nil {
			limit = s.Bottleneck.Component
		}
		g.add(!s.Valid, s.label(), figureOr(s.QPS), first, previous, figureOr(s.Load.OfferedQPS),
			figureOr(s.p50()), figureOr(s.p99()), percentOr(s.ErrorRate), percentOr(s.availability()),
			percentOr(s.hitRatio()), figureOr(s.cpuTotal()), limit)
	}
	return g
}

// latencies is the corrected and the service latency of every stage.
func (r *Result) latencies() grid {
	g := grid{
		Title: "Latency, open-loop, ms",
		Note:  "Corrected counts from the time at which a request should have been sent; service from when it was. A percentile without enough samples is n/a. Closed-loop latency is nobody's experience and is not shown.",
		Heads: []string{"stage", "kind", "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "samples"},
		Text:  []bool{true, true},
	}
	row := func(s *Stage, kind string, l *Latency) {
		if l != nil {
			g.add(!s.Valid, s.label(), kind, figureOr(l.P50), figureOr(l.P90), figureOr(l.P95), figureOr(l.P99), figureOr(l.P999), figureOr(l.Max), figureOr(l.Mean), countOr(l.Samples))
		}
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		row(s, "corrected", s.LatencyMS)
		row(s, "service", s.ServiceLatencyMS)
	}
	return g
}

// costs is the CPU time of every component.
func (r *Result) costs() grid {
	roles := r.roles()
	g := grid{
		Title: "CPU us per request, by component",
		Note:  "CPU time over the measured windows, divided by the requests in them: the figure that travels between machines.",
		Heads: append(append([]string{"stage"}, roles...), "total"),
		Text:  []bool{true},
	}
	if len(roles) == 0 {
		return g
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		row := []string{s.label()}
		for _, role := range roles {
			var v *float64
			if us, ok := s.CPUPerRequestUS[role]; ok {
				v = &us
			}
			row = append(row, figureOr(v))
		}
		g.add(!s.Valid, append(row, figureOr(s.cpuTotal()))...)
	}
	return g
}

// beside puts published figures next to ours.
func (r *Result) beside() grid {
	g := grid{
		Title: "Published figures beside ours",
		Heads: []string{"stage", "whose", "QPS", "p50 ms", "p99 ms", "errors", "availability"},
		Text:  []bool{true, true},
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		if p := s.Published; p != nil {
			g.add(false, s.Name, "published", figureOr(p.QPS), figureOr(p.P50MS), figureOr(p.P99MS), percentOr(p.ErrorRate), percentOr(p.Availability))
			g.add(!s.Valid, s.label(), "measured", figureOr(s.QPS), figureOr(s.p50()), figureOr(s.p99()), percentOr(s.ErrorRate), percentOr(s.availability()))
		}
	}
	return g
}

// breaks is what each fault did.
func (r *Result) breaks() grid {
	g := grid{
		Title: "Faults",
		Note:  "Outage is from the first to the last failed probe, as exact as the probes are apart. Probes were hurt that failed or were slow: from the fault to the last of them before a second without one. Used again counts from the recovery to the first of three answers of the target in a row. Requests are the load's own.",
		Heads: []string{"fault", "stage", "effect seen", "probes", "failed", "availability (95% interval)", "outage", "probes hurt for", "used again", "requests failed (idempotent)", "lost writes"},
		Text:  []bool{true, true, true},
	}
	for _, f := range r.Faults {
		seen := "never"
		if f.EffectObservedAt != nil {
			seen = "after " + span(float64(f.EffectObservedAt.Sub(f.InjectedAt).Microseconds())/1000)
		}
		interval := percentOr(f.Availability)
		if f.AvailabilityLow != nil && f.AvailabilityHigh != nil {
			interval += fmt.Sprintf(" (%s to %s)", percent(*f.AvailabilityLow), percent(*f.AvailabilityHigh))
		}
		stage := f.Stage
		if f.Round > 1 {
			stage += ", round " + strconv.Itoa(f.Round)
		}
		g.add(f.EffectObservedAt == nil, f.Name+" "+f.Target, stage, seen, countOr(f.Probes), countOr(f.Failed), interval,
			f.outage(), f.hurt(), f.within(f.TimeToRecoverMS), f.requests(), countOr(f.LostWrites))
	}
	return g.compact()
}

// outcomes is what became of each group's or request's share.
func outcomes(title, head string, of map[string]Outcomes) grid {
	g := grid{Title: title, Heads: []string{head, "requests", "successes", "success", "limited by the gateway", "failed"}, Text: []bool{true}}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		o := of[name]
		share := na
		if o.Requests > 0 {
			share = percent(float64(o.Successes) / float64(o.Requests))
		}
		g.add(false, name, grouped(float64(o.Requests)), grouped(float64(o.Successes)), share, grouped(float64(o.Limited)), grouped(float64(o.Failed)))
	}
	return g
}

// checks is what was looked at to believe a stage's figures.
func (s *Stage) checks() grid {
	g := grid{Title: "Checks", Heads: []string{"check", "attack", "seen", "wanted", "verdict"}, Text: []bool{true, true, true, true, true}}
	for _, c := range s.Checks {
		g.add(c.Verdict == Invalid, c.Name, c.Attack, c.Saw, c.Limit, loud(c.Verdict))
	}
	return g
}
