package report

import (
	"fmt"
	"io"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/junit"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// objectiveGrid are the objectives of all stages, with what was seen.
func objectiveGrid(r *result.Result) grid {
	g := grid{
		Title: "Objectives", Heads: []string{"stage", "objective", "verdict", "observed"}, Text: []bool{true, true, true, true},
	}
	for _, o := range r.Objectives() {
		verdict := o.Verdict()
		if verdict == "missed" {
			verdict = "MISSED"
		}
		g.add(verdict != "met", o.Stage, o.Text(), verdict, o.Saw())
	}
	return g
}

// objectivePart is the section on objectives. Empty without them.
func objectivePart(r *result.Result) part {
	p := part{ID: "objectives", Title: "Objectives (SLO)"}
	p.tabulate(objectiveGrid(r))
	if len(p.Grids) == 0 {
		return part{}
	}
	p.Grids[0].Title = "Objectives and observed values"
	p.Lead = objectiveText(r)
	p.Verdict = stats.Pass
	for _, o := range r.Objectives() {
		if o.Met != nil && !*o.Met {
			p.Verdict = stats.Fail
			break
		}
		if o.Met == nil {
			p.Verdict = stats.Inconclusive
		}
	}
	return p
}

// objectiveText is how many objectives were met, in a sentence; empty without objectives.
func objectiveText(r *result.Result) string {
	all, unmet := r.Objectives(), r.Unmet()
	missed := 0
	for _, o := range unmet {
		if o.Met != nil {
			missed++
		}
	}
	switch {
	case len(all) == 0:
		return ""
	case len(unmet) == 0 && len(all) == 1:
		return "SLO: the objective is met"
	case len(unmet) == 0:
		return fmt.Sprintf("SLO: all %d objectives are met", len(all))
	case missed == len(unmet):
		return fmt.Sprintf("SLO: %d of %d objectives missed", missed, len(all))
	}
	return fmt.Sprintf("SLO: %d of %d objectives missed, %d unknown", missed, len(all), len(unmet)-missed)
}

// JUnit writes a test report: a suite for each stage, with a case for its validity and one for each objective; one for the expectations of
// an experiment, and one for the verdict of a comparison. What is not valid or not known is an error, what is missed a failure.
func JUnit(w io.Writer, r *result.Result) error {
	var suites []junit.Suite
	for i := range r.Stages {
		suites = append(suites, stageSuite(r.Scenario, &r.Stages[i]))
	}
	if x := r.Experiment; x != nil {
		s := junit.Suite{Name: r.Scenario + " expectations"}
		for _, e := range x.Expectations {
			c := junit.Case{Class: s.Name, Name: line(e.What), Out: line(e.Saw)}
			if !e.Met {
				c.Failure = &junit.Said{Message: line(e.Saw + ", wanted " + e.Want)}
			}
			s.Add(c)
		}
		suites = append(suites, s)
	}
	if len(r.Capacity) > 0 {
		suites = append(suites, capacitySuite(r))
	}
	if c := r.Comparison; c != nil {
		suites = append(suites, comparisonSuite(r.Scenario, c))
	}
	if len(suites) == 0 {
		return nil // drills and overviews have tables of their own
	}
	return junit.WriteAll(w, suites)
}

func stageSuite(scenario string, s *result.Stage) junit.Suite {
	out := junit.Suite{Name: scenario + "/" + s.Name}
	valid := junit.Case{Class: out.Name, Name: "valid"}
	if !s.Valid {
		valid.Error = &junit.Said{Message: line(fmt.Sprint(s.InvalidReasons))}
	}
	out.Add(valid)
	if s.SLO == nil {
		return out
	}
	for _, o := range s.SLO.Objectives {
		c := junit.Case{Class: out.Name, Name: o.Text(), Out: o.Saw()}
		switch {
		case o.Met == nil:
			c.Error = &junit.Said{Message: o.Saw()}
		case !*o.Met:
			c.Failure = &junit.Said{Message: o.Saw() + ", want " + o.Text()}
		}
		out.Add(c)
	}
	return out
}

func capacitySuite(r *result.Result) junit.Suite {
	s := junit.Suite{Name: r.Scenario + " capacity"}
	for _, c := range r.Capacity {
		one := junit.Case{Class: s.Name, Name: c.Stage, Out: line("highest rate: " + figure.RoundedOr(c.QPS) + "; " + c.Limit)}
		if c.QPS == nil {
			one.Failure = &junit.Said{Message: line("no rate met " + c.SLO + ": " + c.Limit)}
		}
		s.Add(one)
	}
	return s
}

func comparisonSuite(scenario string, c *result.Comparison) junit.Suite {
	s := junit.Suite{Name: scenario + " comparison"}
	one := junit.Case{Class: s.Name, Name: "verdict", Out: line(comparisonText(c))}
	switch c.Verdict {
	case stats.Fail:
		one.Failure = &junit.Said{Message: line(c.Reason)}
	case stats.Inconclusive:
		one.Error = &junit.Said{Message: line(c.Reason)}
	}
	s.Add(one)
	return s
}

// goalOf is the verdict on a stage's objective of a metric, for its tile; empty without one.
func (t *tile) goalOf(s *result.Stage, metric string) {
	if s.SLO == nil {
		return
	}
	for _, o := range s.SLO.Objectives {
		if o.Metric == metric && o.Of == "" && o.Met != nil {
			t.Goal, t.GoalState = "SLO "+o.Text()+": "+o.Verdict(), o.Verdict()
		}
	}
}

// asked is what a result from before objectives were listed asks for.
func asked(o *result.SLO) []string {
	var out []string
	if o.P99MS != nil {
		out = append(out, "p99<="+figure.Millis(*o.P99MS))
	}
	if o.ErrorRate != nil {
		out = append(out, "errors<="+figure.Percent(*o.ErrorRate))
	}
	return out
}
