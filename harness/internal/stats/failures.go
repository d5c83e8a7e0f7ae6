package stats

import "math"

// estimate judges the rise of the failure rate by its interval: a regression is
// one whose lowest likely value is beyond the margin, and that is not chance by
// the exact test either; a pass is one whose highest likely value is within it.
func (f Failures) estimate(at float64) (e Estimate, pass float64) {
	e = Estimate{Name: ErrorRate, Margin: f.Margin, P: 1}
	if f.AllA == 0 || f.AllB == 0 {
		return e, 1
	}
	e.Pairs = MinPairs // requests, not rounds, are what is counted
	e.Ratio = f.rise()
	e.Low, e.High = f.lowest(1-at), f.highest(1-at)
	e.P = f.chance()
	if e.High <= f.Margin {
		return e, 0
	}
	return e, 1 // a test of yes or no: no probability between
}

// rise is how much more of the second arm failed.
func (f Failures) rise() float64 { return rate(f.FailedB, f.AllB) - rate(f.FailedA, f.AllA) }

// lowest is the lower end of the one-sided interval of the rise, after Newcombe:
// how far the second arm may be below what was seen and the first above, added
// as squares, each from its exact interval.
func (f Failures) lowest(confidence float64) float64 {
	below := rate(f.FailedB, f.AllB) - LowestRate(f.FailedB, f.AllB, confidence)
	above := HighestRate(f.FailedA, f.AllA, confidence) - rate(f.FailedA, f.AllA)
	return f.rise() - math.Hypot(below, above)
}

// highest is the upper end likewise.
func (f Failures) highest(confidence float64) float64 {
	above := HighestRate(f.FailedB, f.AllB, confidence) - rate(f.FailedB, f.AllB)
	below := rate(f.FailedA, f.AllA) - LowestRate(f.FailedA, f.AllA, confidence)
	return f.rise() + math.Hypot(above, below)
}

// chance is the probability of such a rise were it within the margin: the level
// at which the interval's lower end touches the margin, or the exact test's where
// that is higher.
func (f Failures) chance() float64 {
	if f.rise() <= f.Margin {
		return 1
	}
	// Halving the exponent: what counts is whether it is below a few per cent, or
	// a few hundredths of one after Holm.
	low, high := -9.0, math.Log10(0.5)
	for range 24 {
		mid := (low + high) / 2
		if f.lowest(1-math.Pow(10, mid)) > f.Margin {
			high = mid
		} else {
			low = mid
		}
	}
	return max(math.Pow(10, high), MoreFailures(f.FailedA, f.AllA, f.FailedB, f.AllB))
}

func rate(failed, all uint64) float64 { return float64(failed) / float64(all) }
