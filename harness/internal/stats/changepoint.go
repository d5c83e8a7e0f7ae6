package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// MinSegment is the fewest values on either side of a change point. One outlier,
// or two, are none.
const MinSegment = 3

// MinSeries is the fewest values among which a change point can be found: of
// eight, a clean step in the middle has a p-value of 3%, and of seven none is
// below 5%.
const MinSeries = 8

// ChangeTest says how change points are searched for.
type ChangeTest struct {
	Level        float64 // probability of a change point in a series that has none, 0 to 1
	Permutations int     // at most so many for each test; 1/(Permutations+1) is the least p-value
	Seed         uint64  // of the permutations: the same values and seed give the same change points
}

// ChangePoint is a place where the distribution of a series changes.
type ChangePoint struct {
	Index int     // of the first value after it
	P     float64 // probability of a statistic as large were the values in any order
}

// exceedances end a test early: after so many permutations with a statistic as
// large, the p-value is known well enough to be no small one (Besag and Clifford).
const exceedances = 20

// ChangePoints finds the places at which values, in the order of time, change:
// E-divisive (Matteson and James, 2014), which splits where the energy distance
// of both sides is largest, for as long as a permutation test rejects that the
// order says nothing.
//
// In a series without change points it finds one with probability t.Level at
// most, whatever the distribution, as long as values do not depend on each
// other; where a run resembles the one before it, false alarms are more
// frequent. One outlier weighs nothing: its distances across and within cancel.
//
// Values must not be NaN. Fewer than MinSeries have no change points.
func ChangePoints(values []float64, t ChangeTest) []ChangePoint {
	if len(values) < MinSeries {
		return nil
	}
	return t.divide(values, 0)
}

// divide splits values, the first of which is the series' value at offset.
func (t ChangeTest) divide(values []float64, offset int) []ChangePoint {
	if len(values) < 2*MinSegment {
		return nil
	}
	e := newEnergy(values)
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	at, seen := e.split(order)
	p := t.pValue(e, order, seen, rand.New(rand.NewPCG(t.Seed, uint64(offset))))
	if p > t.Level {
		return nil
	}
	out := t.divide(values[:at], offset)
	out = append(out, ChangePoint{Index: offset + at, P: p})
	return append(out, t.divide(values[at:], offset+at)...)
}

// pValue is that of the statistic that was seen.
func (t ChangeTest) pValue(e *energy, order []int, seen float64, random *rand.Rand) float64 {
	shuffled := slices.Clone(order)
	as := 0
	for i := range t.Permutations {
		random.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
		if _, q := e.split(shuffled); q >= seen-1e-12*math.Abs(seen) {
			as++
		}
		if as == exceedances {
			return float64(as) / float64(i+1)
		}
	}
	return float64(as+1) / float64(t.Permutations+1)
}

// energy computes the energy statistic of splits of one series.
type energy struct {
	values []float64
	// sums has at row i, column j the sum of the distances of the first i values to
	// the first j: that of any block follows from four of them.
	sums [][]float64
}

func newEnergy(values []float64) *energy {
	e := &energy{values: values, sums: make([][]float64, len(values)+1)}
	for i := range e.sums {
		e.sums[i] = make([]float64, len(values)+1)
	}
	return e
}

// split is the split of the values in the given order with the largest
// statistic. What lies behind a second change point would hide the first one, so
// the second side may end before the series does.
func (e *energy) split(order []int) (at int, most float64) {
	n := len(order)
	for i, a := range order {
		row := 0.0
		above, sums := e.sums[i], e.sums[i+1]
		for j, b := range order {
			d := e.values[a] - e.values[b]
			row += max(d, -d)
			sums[j+1] = above[j+1] + row
		}
	}
	most = -1
	for k := MinSegment; k <= n-MinSegment; k++ {
		left := e.sums[k][k]
		for end := n; end >= k+MinSegment; end-- {
			across := e.sums[k][end] - left
			right := e.sums[end][end] - left - 2*across
			if q := energyOf(k, end-k, across, left, right); q > most {
				at, most = k, q
			}
		}
	}
	return at, most
}

// energyOf is the statistic of two sides of a and b values: the mean distance
// across less those within, weighted. Sums within count each pair twice.
func energyOf(a, b int, across, left, right float64) float64 {
	m, n := float64(a), float64(b)
	return m * n / (m + n) * (2*across/(m*n) - left/(m*(m-1)) - right/(n*(n-1)))
}
