package stats

import "math"

// Spread is the coefficient of variation of like measurements: their standard
// deviation as a share of their mean. ok is false for fewer than two, or for a
// mean of zero.
func Spread(values []float64) (cv float64, ok bool) {
	n := float64(len(values))
	if n < 2 {
		return 0, false
	}
	var mean float64
	for _, v := range values {
		mean += v / n
	}
	if mean == 0 {
		return 0, false
	}
	var sum float64
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum/(n-1)) / math.Abs(mean), true
}
