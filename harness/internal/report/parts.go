package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// part is a section of the report that is there only when its data are: it
// appears on the page, in its navigation and in Markdown.
//
// A new kind of result hooks in here: a method that makes its part, named in
// firstParts or lastParts.
type part struct {
	ID, Title string        // of the heading; ID is the page's anchor
	Verdict   stats.Verdict // empty where there is none
	Lead      string        // the outcome in a sentence
	Notes     []string      // what a reader must know to read it rightly
	Plots     []drawing
	Grids     []grid
	Matrices  []matrixView // on the page
	Plain     []grid       // the same for Markdown
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
func firstParts(r *result.Result) []part {
	return present(overviewPart(r), matrixPart(r), experimentPart(r), comparisonPart(r), objectivePart(r), capacityPart(r), scalePart(r),
		drillPart(r))
}

// lastParts come after the stages.
func lastParts(r *result.Result) []part { return present(faultPart(r)) }

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
func faultPart(r *result.Result) part {
	p := part{ID: "faults", Title: "Faults"}
	for _, f := range r.Faults {
		if len(r.Faults) <= manyFaults || f.EffectObservedAt == nil || orZero(f.Failed) > 0 {
			p.Notes = append(p.Notes, faultSentence(f))
		}
	}
	p.tabulate(faultKindGrid(r))
	g := faultGrid(r)
	g.Title = "What each fault did"
	p.tabulate(g)
	return p
}

// faultSentence is the fault in a sentence.
func faultSentence(f result.Fault) string {
	text := f.Name + " " + f.Target
	if f.Stage != "" {
		text += " in " + f.Stage
	}
	if f.EffectObservedAt == nil {
		return text + ": no effect was observed, so its consequences are unknown"
	}
	var said []string
	if f.Probes != nil && f.Failed != nil {
		said = append(said, fmt.Sprintf("%s of %s probes failed", figure.CountOr(f.Failed), figure.CountOr(f.Probes)))
	}
	if f.OutageMS != nil && *f.OutageMS > 0 {
		said = append(said, "an outage of "+figure.Millis(*f.OutageMS))
	}
	if f.TimeToRecoverMS != nil {
		said = append(said, "recovered "+afterText(f, f.TimeToRecoverMS))
	} else if f.RecoveredAt == nil {
		said = append(said, "it did not recover")
	}
	if len(said) == 0 {
		return text + ": its effect was observed"
	}
	return text + ": " + strings.Join(said, ", ")
}

// outageText is how long probes failed, with its resolution.
func outageText(f result.Fault) string {
	if f.OutageMS == nil || f.ResolutionMS == nil {
		return figure.MillisOr(f.OutageMS)
	}
	return figure.Millis(*f.OutageMS) + " ±" + figure.Millis(*f.ResolutionMS)
}

// impactText is how long probes failed or were slow.
func impactText(f result.Fault) string {
	if f.ImpactMS == nil && f.Probes != nil {
		return "none"
	}
	return withinText(f, f.ImpactMS)
}

// withinText is a time, no more exact than the interval between probes.
func withinText(f result.Fault, ms *float64) string {
	if ms != nil && f.ResolutionMS != nil && *ms < *f.ResolutionMS {
		return "within " + figure.Millis(*f.ResolutionMS)
	}
	return figure.MillisOr(ms)
}

// afterText is withinText with its preposition: "after 1.4 s", "within 20 ms".
func afterText(f result.Fault, ms *float64) string {
	text := withinText(f, ms)
	if strings.HasPrefix(text, "within ") {
		return text
	}
	return "after " + text
}

// failedRequests are the load's own failures, idempotent ones in brackets.
func failedRequests(f result.Fault) string {
	if f.RequestsFailed == nil || f.IdempotentFailed == nil {
		return figure.CountOr(f.RequestsFailed)
	}
	return figure.CountOr(f.RequestsFailed) + " (" + figure.CountOr(f.IdempotentFailed) + ")"
}
