package stats

import (
	"math"
	"slices"
)

// Shift is by how much values went up or down from one group to another.
type Shift struct {
	Middle float64 // Hodges-Lehmann: the median of all differences of an after and a before
	// Low and High are the bounds of the two-sided interval; infinite where there
	// are too few values for its confidence.
	Low, High float64
}

// Shifted estimates the shift between two independent groups with the interval
// that belongs to the rank-sum test of Mann and Whitney: exact for any
// distribution that only its place distinguishes before and after. Each group
// must have a value, and both together 1,000 at most.
func Shifted(before, after []float64, confidence float64) Shift {
	differences := make([]float64, 0, len(before)*len(after))
	for _, b := range before {
		for _, a := range after {
			differences = append(differences, a-b)
		}
	}
	slices.Sort(differences)
	out := Shift{Middle: Median(differences), Low: math.Inf(-1), High: math.Inf(1)}
	var sum float64
	outside := 0 // so many differences lie outside on each side
	for _, p := range rankSumCounts(len(before), len(after)) {
		if sum += p; sum > (1-confidence)/2+1e-12 {
			break
		}
		outside++
	}
	if outside > 0 {
		out.Low, out.High = differences[outside-1], differences[len(differences)-outside]
	}
	return out
}

// rankSumCounts is the probability that so many pairs of an m and an n have the
// m above the n, where nothing distinguishes them, up to half of all pairs. The
// counts are the coefficients of a Gaussian binomial, made factor by factor.
func rankSumCounts(m, n int) []float64 {
	counts := make([]float64, m*n/2+1)
	counts[0] = 1
	all := 1.0
	for i := 1; i <= m; i++ {
		for u := len(counts) - 1; u >= n+i; u-- {
			counts[u] -= counts[u-n-i]
		}
		for u := i; u < len(counts); u++ {
			counts[u] += counts[u-i]
		}
		all *= float64(n+i) / float64(i)
	}
	for u := range counts {
		counts[u] /= all
	}
	return counts
}
