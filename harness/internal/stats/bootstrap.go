package stats

import (
	"cmp"
	"math"
	"slices"
)

// bootstrap is the distribution of a sample's median when the sample is drawn
// from itself, with replacement. It is computed, not simulated: the same sample
// always says the same, and a small probability does not hang on luck.
type bootstrap struct {
	medians []weightedValue // by value
	least   float64         // no probability is below: so few values prove no more
}

// less is the distribution of the difference to another, independent one.
func (b bootstrap) less(a bootstrap) bootstrap {
	out := bootstrap{least: max(a.least, b.least)}
	for _, x := range b.medians {
		for _, y := range a.medians {
			out.medians = append(out.medians, weightedValue{x.value - y.value, x.p * y.p})
		}
	}
	slices.SortFunc(out.medians, func(x, y weightedValue) int { return cmp.Compare(x.value, y.value) })
	return out
}

// NeededPairs is the fewest pairs from which a regression can be proven where so
// many metrics gate, looked at so often: fewer values than that cannot be so
// much alike that chance is excluded, whatever they are.
func NeededPairs(metrics, looks int) int {
	n := MinPairs
	for math.Pow(2, -float64(n))*float64(max(metrics, 1)) >= level(looks) {
		n++
	}
	return n
}

type weightedValue struct{ value, p float64 }

// newBootstrap takes one value or more.
func newBootstrap(values []float64) bootstrap {
	x := slices.Sorted(slices.Values(values))
	n := len(x)
	// The median lies between the draws of rank low and low+1, which are one and
	// the same where n is odd.
	var out []weightedValue
	low := (n + 1) / 2
	for i := range n {
		rest := rankIs(n, low, i)
		if n%2 == 0 {
			for j := i + 1; j < n; j++ {
				p := ranksAre(n, low, i, j)
				rest -= p
				out = append(out, weightedValue{(x[i] + x[j]) / 2, p})
			}
		}
		out = append(out, weightedValue{x[i], max(rest, 0)})
	}
	slices.SortFunc(out, func(a, b weightedValue) int { return cmp.Compare(a.value, b.value) })
	return bootstrap{medians: out, least: math.Pow(2, -float64(n))}
}

// rankIs is the probability that, of n draws from n values, the one of the
// given rank (from 1) is value i (from 0).
func rankIs(n, rank, i int) float64 {
	return reaches(n, rank, i+1) - reaches(n, rank, i)
}

// reaches is the probability that at least rank of n draws are among the first
// m values.
func reaches(n, rank, m int) float64 {
	q := float64(m) / float64(n)
	var sum float64
	for k := rank; k <= n; k++ {
		sum += math.Exp(logChoose(uint64(n), uint64(k))) * math.Pow(q, float64(k)) * math.Pow(1-q, float64(n-k))
	}
	return sum
}

// ranksAre is the probability that the draws of rank low and low+1 are values i
// and j, i < j: low draws up to i, with i among them, and the others from j on,
// with j among them.
func ranksAre(n, low, i, j int) float64 {
	first := power(i+1, n, low) - power(i, n, low)
	second := power(n-j, n, n-low) - power(n-j-1, n, n-low)
	return math.Exp(logChoose(uint64(n), uint64(low))) * first * second
}

func power(m, n, k int) float64 { return math.Pow(float64(m)/float64(n), float64(k)) }

// below is the lowest median that a share q of the distribution does not
// exceed.
func (b bootstrap) below(q float64) float64 {
	var sum float64
	for _, m := range b.medians {
		if sum += m.p; sum >= q-1e-12 {
			return m.value
		}
	}
	return b.medians[len(b.medians)-1].value
}

// atMost is the probability of a median of v or less, atLeast of v or more.
func (b bootstrap) atMost(v float64) float64 {
	return b.sum(func(m float64) bool { return m <= v })
}

func (b bootstrap) atLeast(v float64) float64 {
	return b.sum(func(m float64) bool { return m >= v })
}

func (b bootstrap) sum(in func(float64) bool) float64 {
	var p float64
	for _, m := range b.medians {
		if in(m.value) {
			p += m.p
		}
	}
	return min(max(p, b.least), 1)
}

// Median is of one value or more.
func Median(values []float64) float64 {
	x := slices.Sorted(slices.Values(values))
	n := len(x)
	if n%2 == 1 {
		return x[n/2]
	}
	return (x[n/2-1] + x[n/2]) / 2
}
