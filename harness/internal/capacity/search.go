// Package capacity finds the highest rate that still meets an SLO, and says what
// rates with one, two and three replicas mean for more of them.
//
// It is pure: the caller measures, this package decides what to measure next
// and what follows from it.
package capacity

import (
	"fmt"
	"math"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// Point is what was seen at one rate.
type Point struct {
	Rate      float64  // offered, requests/s
	QPS       float64  // successes/s
	P50MS     *float64 // corrected
	P99MS     *float64
	ErrorRate float64
	Valid     bool   // the generator did what it should
	Why       string // what was missed: the SLO, or a check
	Confirms  bool   // part of the confirming run
	// More are figures of objectives that the other fields do not have, by the objective's text.
	More map[string]*float64
}

// Plan is how a search goes.
type Plan struct {
	SLO       slo.Objectives
	From, To  float64 // rates, requests/s
	Precision float64 // bisection ends where the rates are this close, as a share
	Confirms  int     // windows at the rate that was found; all must meet the SLO
}

// Validate names the first field that cannot be.
func (p Plan) Validate() error {
	if err := checkSLO(p.SLO); err != nil {
		return err
	}
	switch {
	case !(p.From >= 1) || !(p.To > p.From) || math.IsInf(p.To, 0):
		return fmt.Errorf("rates: %v to %v are not allowed: want 1 or more, and a higher one", p.From, p.To)
	case !(p.Precision >= 0.01 && p.Precision <= 0.5):
		return fmt.Errorf("precision: %v is not allowed: want 0.01 to 0.5", p.Precision)
	case p.Confirms < 1 || p.Confirms > 20:
		return fmt.Errorf("confirms: %d is not allowed: want 1 to 20", p.Confirms)
	}
	return nil
}

// Found is what a search came to.
type Found struct {
	Rate    float64 // highest that was confirmed; 0: none
	Points  []Point // all that were measured, in order
	Confirm []Point // of the confirming run at Rate
	// Limit says what ended it: the SLO, the generator (then Rate is a lower
	// bound), or Plan.To.
	Limit string
}

// confirmStep is how far a rate that was not confirmed is lowered, and
// maxConfirms how often.
const (
	confirmStep = 0.9
	maxConfirms = 5
)

// Search looks for the highest rate: doubling until the SLO is missed (once it
// was met), bisecting, then confirming what was found, a tenth lower each time it is not.
// A rate that is not valid, twice, ends the way up: beyond it the generator is what
// would be measured.
func Search(p Plan, measure func(rate float64, confirms bool) (Point, error)) (Found, error) {
	if err := p.Validate(); err != nil {
		return Found{}, err
	}
	s := search{plan: p, measure: measure}
	good, bad, err := s.climb()
	if err != nil {
		return s.found, err
	}
	if good == 0 {
		return s.found, nil
	}
	for bad > 0 && bad/good > 1+p.Precision {
		mid := math.Round(math.Sqrt(good * bad))
		if mid <= good || mid >= bad {
			break
		}
		met, err := s.try(mid, false)
		if err != nil {
			return s.found, err
		}
		if met {
			good = mid
		} else {
			bad = mid
		}
	}
	return s.found, s.confirm(good)
}

type search struct {
	plan    Plan
	measure func(float64, bool) (Point, error)
	found   Found
}

// try measures a rate; met is false for one that is not valid too. What is not
// valid is measured once more: a hiccup of the host must not end the search.
func (s *search) try(rate float64, confirms bool) (met bool, err error) {
	p, err := s.measure(rate, confirms)
	if err == nil && !p.Valid {
		p.Confirms = confirms
		s.found.Points = append(s.found.Points, p)
		p, err = s.measure(rate, confirms)
	}
	if err != nil {
		return false, err
	}
	p.Confirms = confirms
	ok, why := p.Meets(s.plan.SLO)
	switch {
	case !p.Valid:
		s.found.Limit = "the generator: " + p.Why + ": the true capacity is higher, or unknown"
	case !ok:
		p.Why, s.found.Limit = why, "the SLO: "+why
	}
	s.found.Points = append(s.found.Points, p)
	return ok && p.Valid, nil
}

// climb doubles the rate until it is too high: good is the last that was not,
// bad the first that was, 0 where none was.
//
// A rate that misses the SLO before any met it does not end the way up: where
// the rate of slow requests is limited, they are a larger share of few
// requests than of many, and p99 is worse at the bottom.
func (s *search) climb() (good, bad float64, err error) {
	for rate := s.plan.From; ; rate *= 2 {
		rate = min(rate, s.plan.To)
		met, err := s.try(rate, false)
		switch {
		case err != nil:
			return good, bad, err
		case met && rate >= s.plan.To:
			s.found.Limit = "the highest rate that was asked for"
			return rate, 0, nil
		case met:
			good = rate
		case good > 0 || rate >= s.plan.To || !s.carried(s.found.Points[len(s.found.Points)-1]):
			return good, rate, nil
		}
	}
}

// carriedShare is how much of the offered rate must succeed: what a limit
// refuses is no success.
const carriedShare = 0.9

// carried says whether a point misses nothing but the SLO's latency.
func (s *search) carried(p Point) bool {
	errors := slices.IndexFunc(s.plan.SLO, func(o slo.Objective) bool { return o.Metric == slo.Errors && o.Of == "" })
	return p.Valid && p.QPS >= carriedShare*p.Rate && (errors < 0 || s.plan.SLO[errors].Met(p.ErrorRate))
}

// confirm measures the rate several times more.
func (s *search) confirm(rate float64) error {
	limit := s.found.Limit
	for range maxConfirms {
		from, all := len(s.found.Points), true
		for range s.plan.Confirms {
			met, err := s.try(rate, true)
			if err != nil {
				return err
			}
			if !met {
				all = false
				break
			}
		}
		if all {
			s.found.Rate, s.found.Confirm = rate, slices.DeleteFunc(slices.Clone(s.found.Points[from:]), func(p Point) bool { return !p.Valid })
			s.found.Limit = limit
			return nil
		}
		if rate = math.Floor(rate * confirmStep); rate < 1 {
			return nil
		}
	}
	return nil
}

// Knee is the rate from which latency rises steeply: the point of the curve of
// p99 against rate that lies furthest below the straight line from its first to
// its last point, both axes scaled to 0 to 1. ok is false for fewer than four
// rates, or where no point lies below.
func Knee(points []Point) (rate float64, ok bool) {
	var curve []Point
	for _, p := range points {
		if p.P99MS != nil && p.Valid {
			curve = append(curve, p)
		}
	}
	slices.SortStableFunc(curve, func(a, b Point) int { return int(math.Copysign(1, a.Rate-b.Rate)) })
	if len(curve) < 4 {
		return 0, false
	}
	first, last := curve[0], curve[len(curve)-1]
	dx, dy := last.Rate-first.Rate, *last.P99MS-*first.P99MS
	if dx <= 0 || dy <= 0 {
		return 0, false
	}
	most := 0.05
	for _, p := range curve {
		if below := (p.Rate-first.Rate)/dx - (*p.P99MS-*first.P99MS)/dy; below > most {
			most, rate = below, p.Rate
			ok = true
		}
	}
	return rate, ok
}
