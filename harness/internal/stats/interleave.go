package stats

import (
	"math"
	"slices"
)

// Order is the order in which arms are measured in a round, counted from 1. It
// alternates in direction and rotates, so that over 2 x len(arms) rounds each arm
// is equally often at each place, and equally often after each of the others: a
// drift of the host then favours none.
func Order[T any](arms []T, round int) []T {
	n := len(arms)
	if n == 0 {
		return nil
	}
	out := slices.Clone(arms)
	if round = max(round-1, 0); round%2 == 1 {
		slices.Reverse(out)
	}
	by := round / 2 % n
	return append(out[by:n:n], out[:by]...)
}

// Noise is how much two measurements of the same thing differ that were made one
// after the other.
type Noise struct {
	CV    float64 // coefficient of variation of all values together
	Pairs float64 // standard deviation of the pairs' log-ratios: what pairing does not remove
}

// NoiseOf estimates the noise from pairs of measurements of the same thing. ok is
// false for fewer than three pairs, and for values that are not positive.
func NoiseOf(a, b []float64) (n Noise, ok bool) {
	if len(a) != len(b) || len(a) < 3 {
		return Noise{}, false
	}
	var sum, squares float64
	for i := range a {
		r := math.Log(b[i] / a[i])
		if math.IsNaN(r) || math.IsInf(r, 0) {
			return Noise{}, false
		}
		sum += r
		squares += r * r
	}
	k := float64(len(a))
	n.Pairs = math.Sqrt(max(0, squares-sum*sum/k) / (k - 1))
	n.CV, ok = Spread(slices.Concat(a, b))
	return n, ok
}
