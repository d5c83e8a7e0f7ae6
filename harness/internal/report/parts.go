package report

import (
	"fmt"
	"html/template"
	"strings"
)

// part is a section of the report that is there only when its data are: it
// appears on the page, in its navigation and in Markdown.
//
// A new kind of result hooks in here: a method that makes its part, named in
// firstParts or lastParts.
type part struct {
	ID, Title string   // of the heading; ID is the page's anchor
	Verdict   string   // pass, fail or inconclusive; empty where there is none
	Lead      string   // the outcome in a sentence
	Notes     []string // what a reader must know to read it rightly
	Plots     []drawing
	Grids     []grid
}

// drawing is a plot with its caption.
type drawing struct {
	Caption string
	Plot    template.HTML
	File    string // of the same plot in the run's folder, for Markdown; empty: none
}

func (p part) empty() bool {
	return p.Lead == "" && len(p.Notes) == 0 && len(p.Plots) == 0 && len(p.Grids) == 0
}

// draw adds a plot, unless there was nothing to draw.
func (p *part) draw(caption, plot string) {
	if plot != "" {
		p.Plots = append(p.Plots, drawing{Caption: caption, Plot: markup(plot)})
	}
}

// drawFile adds a plot that has a file of its own.
func (p *part) drawFile(caption, plot, file string) {
	if plot != "" {
		p.Plots = append(p.Plots, drawing{Caption: caption, Plot: markup(plot), File: file})
	}
}

// tabulate adds a table, unless it has no rows.
func (p *part) tabulate(g grid) {
	if !g.empty() {
		p.Grids = append(p.Grids, g)
	}
}

// firstParts come before the stages: what the run was made to decide.
func (r *Result) firstParts() []part {
	return present(r.overviewPart(), r.experimentPart(), r.comparisonPart(), r.capacityPart(), r.drillPart())
}

// lastParts come after the stages.
func (r *Result) lastParts() []part { return present(r.faultPart()) }

func present(all ...part) []part {
	var out []part
	for _, p := range all {
		if !p.empty() {
			out = append(out, p)
		}
	}
	return out
}

// faultPart is what each fault did, in a sentence and a table.
func (r *Result) faultPart() part {
	p := part{ID: "faults", Title: "Faults"}
	for _, f := range r.Faults {
		if len(r.Faults) <= manyFaults || f.EffectObservedAt == nil || orZero(f.Failed) > 0 {
			p.Notes = append(p.Notes, f.String())
		}
	}
	p.tabulate(r.faultKinds())
	g := r.breaks()
	g.Title = "What each fault did"
	p.tabulate(g)
	return p
}

// String is the fault in a sentence.
func (f Fault) String() string {
	text := f.Name + " " + f.Target
	if f.Stage != "" {
		text += " in " + f.Stage
	}
	if f.EffectObservedAt == nil {
		return text + ": no effect was seen, so nothing is known of what it would do"
	}
	var said []string
	if f.Probes != nil && f.Failed != nil {
		said = append(said, fmt.Sprintf("%s of %s probes failed", countOr(f.Failed), countOr(f.Probes)))
	}
	if f.OutageMS != nil && *f.OutageMS > 0 {
		said = append(said, "an outage of "+span(*f.OutageMS))
	}
	if f.TimeToRecoverMS != nil {
		said = append(said, "in use again "+f.within(f.TimeToRecoverMS)+" after it was back")
	} else if f.RecoveredAt == nil {
		said = append(said, "it did not come back")
	}
	if len(said) == 0 {
		return text + ": its effect was seen"
	}
	return text + ": " + strings.Join(said, ", ")
}

// outage is how long probes failed, with how exactly that is known.
func (f Fault) outage() string {
	if f.OutageMS == nil || f.ResolutionMS == nil {
		return spanOr(f.OutageMS)
	}
	return span(*f.OutageMS) + " ±" + span(*f.ResolutionMS)
}

// hurt is for how long probes felt the fault.
func (f Fault) hurt() string {
	if f.TimeToDetectMS == nil && f.Probes != nil {
		return "none hurt"
	}
	return f.within(f.TimeToDetectMS)
}

// within is a time as far as the probes can tell it.
func (f Fault) within(ms *float64) string {
	if ms != nil && f.ResolutionMS != nil && *ms < *f.ResolutionMS {
		return "within " + span(*f.ResolutionMS)
	}
	return spanOr(ms)
}

// requests are the load's own failures, those that may be sent again in
// brackets.
func (f Fault) requests() string {
	if f.RequestsFailed == nil || f.IdempotentFailed == nil {
		return countOr(f.RequestsFailed)
	}
	return countOr(f.RequestsFailed) + " (" + countOr(f.IdempotentFailed) + ")"
}
