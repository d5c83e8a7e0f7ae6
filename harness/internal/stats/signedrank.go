package stats

import (
	"math"
	"slices"
)

// signedRank is what Wilcoxon's signed-rank test says of paired differences:
// exact for every number of pairs, as long as their distribution is symmetric,
// which the log-ratios of two arms that are measured alike are. (A bootstrap of
// the median is not: of nine pairs, at a level of 0.36%, it is wrong in 1.75%.)
type signedRank struct {
	values []float64
	walsh  []float64 // mean of every pair of values, and each value itself, sorted
}

// newSignedRank takes one value or more.
func newSignedRank(values []float64) signedRank {
	s := signedRank{values: values}
	for i, x := range values {
		for _, y := range values[i:] {
			s.walsh = append(s.walsh, (x+y)/2)
		}
	}
	slices.Sort(s.walsh)
	return s
}

// middle is the Hodges-Lehmann estimate: the median of the Walsh averages.
func (s signedRank) middle() float64 { return Median(s.walsh) }

// atMost is the probability of values as high as these, or higher, were their
// middle v or less; atLeast of values as low, were it v or more.
func (s signedRank) atMost(v float64) float64 { return s.tail(v, 1) }

func (s signedRank) atLeast(v float64) float64 { return s.tail(v, -1) }

// tail ranks the distances from v. What lies on v itself speaks for neither side.
func (s signedRank) tail(v, sign float64) float64 {
	order := slices.Clone(s.values)
	for i := range order {
		order[i] = sign * (order[i] - v)
	}
	slices.SortFunc(order, func(a, b float64) int {
		switch d := math.Abs(a) - math.Abs(b); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
	})
	twice := make([]int, len(order)) // ranks, equal ones shared, times two
	seen := 0
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && math.Abs(order[j]) == math.Abs(order[i]) {
			j++
		}
		for k := i; k < j; k++ {
			twice[k] = i + 1 + j
			if order[k] > 0 {
				seen += twice[k]
			}
		}
		i = j
	}
	var p float64
	for sum, share := range rankSums(twice) {
		if sum >= seen {
			p += share
		}
	}
	return min(p, 1)
}

// rankSums is the probability of each sum of ranks where each counts or does not
// by the toss of a coin.
func rankSums(ranks []int) []float64 {
	out, most := []float64{1}, 0
	for _, r := range ranks {
		next := make([]float64, most+r+1)
		for sum, p := range out {
			next[sum] += p / 2
			next[sum+r] += p / 2
		}
		out, most = next, most+r
	}
	return out
}

// below is the bound that the middle is below with confidence 1-q, for q under a
// half from the low side: below(0.05) is the lower and below(0.95) the upper
// one-sided 95% bound. With too few values for that confidence there is none: it
// is infinite.
func (s signedRank) below(q float64) float64 {
	tail := min(q, 1-q)
	ranks := make([]int, len(s.values))
	for i := range ranks {
		ranks[i] = i + 1
	}
	var sum float64
	k := 0 // so many Walsh averages lie outside
	for _, p := range rankSums(ranks) {
		if sum += p; sum > tail+1e-12 {
			break
		}
		k++
	}
	side := 1.0
	if q < 0.5 {
		side = -1
	}
	switch {
	case k == 0:
		return math.Inf(int(side))
	case side > 0:
		return s.walsh[len(s.walsh)-k]
	}
	return s.walsh[k-1]
}
