package measure

import "math"

// Trend is a series, one value per second, that should be flat.
type Trend struct {
	Name   string
	Values []float64
}

const (
	minTrend  = 5    // fewer seconds tell nothing of a slope
	maxChange = 0.10 // of the mean, from the window's beginning to its end
	maxT      = 3.0  // standard errors: below, a slope is not told from noise
)

// Flat fits a line by least squares. change is how much the line rises over the
// window as a share of the mean; flat is false where that is 10% or more and
// not explained by noise. ok is false where there are too few values or all
// are zero.
func (t Trend) Flat() (change float64, flat, ok bool) {
	n := float64(len(t.Values))
	if len(t.Values) < minTrend {
		return 0, false, false
	}
	var mean float64
	for _, v := range t.Values {
		mean += v / n
	}
	if mean == 0 {
		return 0, false, false
	}
	mid := (n - 1) / 2
	var sxy, sxx float64
	for i, v := range t.Values {
		x := float64(i) - mid
		sxy += x * (v - mean)
		sxx += x * x
	}
	slope := sxy / sxx
	var rss float64
	for i, v := range t.Values {
		e := v - mean - slope*(float64(i)-mid)
		rss += e * e
	}
	change = slope * (n - 1) / math.Abs(mean)
	if math.Abs(change) < maxChange {
		return change, true, true
	}
	stderr := math.Sqrt(rss / (n - 2) / sxx)
	return change, math.Abs(slope) <= maxT*stderr, true
}
