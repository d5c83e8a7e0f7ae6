package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Drill is what came of causing the condition of alerts on purpose, before a
// real Prometheus and Alertmanager.
type Drill struct {
	Passed   bool           `json:"passed"`    // each fired and resolved, and no other did
	Factor   float64        `json:"factor"`    // by which windows and waits of the rules were shortened; 1 is as in production
	ScrapeMS float64        `json:"scrape_ms"` // between two scrapes, and two evaluations
	Alerts   []DrilledAlert `json:"alerts"`
}

// DrilledAlert is one alert that was to fire and to resolve. Alerts of one cause
// stand together; what else fired is told with the first of them.
type DrilledAlert struct {
	Name            string   `json:"name"`
	Cause           string   `json:"cause"`                       // the fault, in words
	FiredAfterMS    *float64 `json:"fired_after_ms,omitempty"`    // from the fault until Alertmanager told; absent: it did not fire
	ResolvedAfterMS *float64 `json:"resolved_after_ms,omitempty"` // from the mending until no instance fired any more; absent: it did not resolve
	Beside          []string `json:"beside,omitempty"`            // fired too, as may be: the same trouble seen by another alert
	Unexpected      []string `json:"unexpected"`                  // fired too, and should not have
	Problem         string   `json:"problem,omitempty"`
}

// OK tells whether the alert did what it is for, and no other did.
func (a *DrilledAlert) OK() bool {
	return a.FiredAfterMS != nil && a.ResolvedAfterMS != nil && a.Problem == "" && len(a.Unexpected) == 0
}

// String is the outcome in a sentence.
func (d *Drill) String() string {
	ok, alarms := 0, 0
	for i := range d.Alerts {
		if d.Alerts[i].OK() {
			ok++
		}
		alarms += len(d.Alerts[i].Unexpected)
	}
	return fmt.Sprintf("%d of %d alerts fired and resolved as they should; %d false alarm(s).", ok, len(d.Alerts), alarms)
}

// scaled says by what the times are not production's.
func (d *Drill) scaled() string {
	return fmt.Sprintf("Windows and waits of the rules were divided by %s, with a scrape every %s (a window is never shorter than five): times to fire and to resolve are the drill's, not production's.", figure(d.Factor), span(d.ScrapeMS))
}

// grid is every alert with its cause and times.
func (d *Drill) grid() grid {
	g := grid{
		Title: "Alerts and what was broken for them", Note: d.scaled(),
		Heads: []string{"alert", "fault", "to fire", "to resolve", "fired beside", "false alarms", "verdict"},
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
		g.add(!a.OK(), a.Name, a.Cause, spanOr(a.FiredAfterMS), spanOr(a.ResolvedAfterMS),
			strings.Join(a.Beside, ", "), strings.Join(a.Unexpected, ", "), verdict)
	}
	return g
}

// drillPart is what a drill came to. Empty without one.
func (r *Result) drillPart() part {
	d := r.Drill
	if d == nil {
		return part{}
	}
	p := part{ID: "drill", Title: "Alert drill", Verdict: "fail"} // the sentence stands at the top already
	if d.Passed {
		p.Verdict = "pass"
	}
	p.tabulate(d.grid())
	return p
}

// DrillText writes a drill for a terminal.
func DrillText(w io.Writer, r *Result) error {
	if r.Drill == nil {
		return nil
	}
	b := bufio.NewWriter(w)
	table(b, r.Drill.grid())
	fmt.Fprintf(b, "%s\n", r.Drill)
	return b.Flush()
}
