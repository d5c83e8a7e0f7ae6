package capacity

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// figure is what was seen of an objective's subject at the point; nil if it was not measured.
func (p Point) figure(o slo.Objective) *float64 {
	if o.Of == "" {
		switch o.Metric {
		case slo.P50:
			return p.P50MS
		case slo.P99:
			return p.P99MS
		case slo.Errors:
			return &p.ErrorRate
		}
	}
	return p.More[o.String()]
}

// Meets says whether a point meets the objectives, and what it missed. A point without a percentile has too few samples to say so.
func (p Point) Meets(all slo.Objectives) (met bool, why string) {
	for _, o := range all {
		v := p.figure(o)
		switch {
		case v == nil:
			return false, "not enough was measured for " + o.String()
		case !o.Met(*v):
			return false, fmt.Sprintf("%s, want %s", seen(o, *v), o)
		}
	}
	return true, ""
}

// seen is a value in words.
func seen(o slo.Objective, v float64) string {
	name := o.Metric
	if o.Of != "" {
		name += "{" + o.Of + "}"
	}
	switch o.Unit() {
	case slo.Milliseconds:
		return name + " " + figure.Millis(v)
	case slo.Share:
		return name + " " + figure.Percent(v)
	}
	return name + " " + figure.Rounded(v) + " " + string(o.Unit())
}

// checkSLO refuses what a search cannot look for.
func checkSLO(all slo.Objectives) error {
	if len(all) == 0 {
		return fmt.Errorf("slo: want one objective or more, such as p99<50ms,errors<0.1%%")
	}
	for _, o := range all {
		switch o.Metric {
		case slo.QPS:
			return fmt.Errorf("slo: %q is not allowed: a search varies the rate: want other objectives, and --to for the highest rate", o)
		case slo.Availability:
			return fmt.Errorf("slo: %q is not allowed: a search has no probes: want errors", o)
		}
	}
	return nil
}

// samples is how many requests a window needs, so that every percentile that is asked for has enough successes, with some to spare.
func samples(s *scenario.Stage, all slo.Objectives) float64 {
	total := 0.0
	for _, r := range s.Workload.Requests {
		total += r.Weight
	}
	most := 1300.0 // for the p99 that is reported
	for _, o := range all {
		wanted := 1300.0
		if o.Metric == slo.P999 {
			wanted = 13_000
		}
		for _, r := range s.Workload.Requests {
			if r.Name == o.Of && r.Weight > 0 {
				wanted *= total / r.Weight
			}
		}
		most = max(most, wanted)
	}
	return most
}
