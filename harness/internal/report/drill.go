package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// drillSentence is the outcome in a sentence.
func drillSentence(d *result.Drill) string {
	ok, alarms := 0, 0
	for i := range d.Alerts {
		if d.Alerts[i].OK() {
			ok++
		}
		alarms += len(d.Alerts[i].Unexpected)
	}
	return fmt.Sprintf("%d of %d alerts fired and resolved as expected; %d false alarm(s).", ok, len(d.Alerts), alarms)
}

// drillNote says how the times of the drill differ from those of production.
func drillNote(d *result.Drill) string {
	return fmt.Sprintf(
		"Windows and wait times of the rules were divided by %s, with a scrape every %s (a window is at least five scrapes):"+
			" times to fire and to resolve apply to the drill, not to production.",
		figure.Rounded(d.Factor),
		figure.Millis(d.ScrapeMS),
	)
}

// drillGrid is every alert with its cause and times.
func drillGrid(d *result.Drill) grid {
	g := grid{
		Title: "Alerts and the faults that cause them", Note: drillNote(d),
		Heads: []string{"alert", "fault", "to fire", "to resolve", "also fired", "false alarms", "verdict"},
		Text:  []bool{0: true, 1: true, 4: true, 5: true, 6: true},
	}
	for i := range d.Alerts {
		a := &d.Alerts[i]
		verdict := "ok"
		switch {
		case a.Problem != "":
			verdict = a.Problem
		case !a.OK():
			verdict = "others fired"
		}
		g.add(!a.OK(), a.Name, a.Cause, figure.MillisOr(a.FiredAfterMS), figure.MillisOr(a.ResolvedAfterMS),
			strings.Join(a.Beside, ", "), strings.Join(a.Unexpected, ", "), verdict)
	}
	return g
}

// drillPart is what a drill came to. Empty without one.
func drillPart(r *result.Result) part {
	d := r.Drill
	if d == nil {
		return part{}
	}
	p := part{ID: "drill", Title: "Alert drill", Verdict: stats.Fail} // the sentence stands at the top already
	if d.Passed {
		p.Verdict = stats.Pass
	}
	p.tabulate(drillGrid(d))
	return p
}

// DrillText writes a drill for a terminal; nothing where the result is of none.
func DrillText(w io.Writer, r *result.Result) error {
	if r.Drill == nil {
		return nil
	}
	b := bufio.NewWriter(w)
	titled(b, drillGrid(r.Drill))
	fmt.Fprintln(b, drillSentence(r.Drill))
	return b.Flush()
}
