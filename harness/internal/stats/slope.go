package stats

import (
	"math"
	"slices"
)

// Slope is how a series changes from its beginning to its end, in a straight line.
type Slope struct {
	Begin  float64 // of the line
	Change float64 // of the line, from the first value to the last
	// Low and High are the bounds of the two-sided interval of Change; infinite where there are too few values for its confidence.
	Low, High float64
}

// A series is cut into blocks, whose medians are the values that count: neighbours in time are alike, as garbage collection and caches make
// them, and would pass for more evidence than they are.
const (
	slopeBlocks = 20
	blockLeast  = 3
	fewBlocks   = 10
)

// SlopeNeeds is how many values SlopeOf needs.
const SlopeNeeds = fewBlocks * blockLeast

// SlopeOf is the slope of values at equal distances, by Theil and Sen: the median of the slopes between all pairs, which a few outliers do
// not move, with the interval that belongs to Kendall's test, exact for any distribution of independent values. ok is false with fewer than
// SlopeNeeds values.
func SlopeOf(values []float64, confidence float64) (s Slope, ok bool) {
	if len(values) < SlopeNeeds {
		return Slope{}, false
	}
	blocks := min(slopeBlocks, len(values)/blockLeast)
	at, y := make([]float64, blocks), make([]float64, blocks)
	for i := range blocks {
		from, to := i*len(values)/blocks, (i+1)*len(values)/blocks
		at[i], y[i] = float64(from+to-1)/2, Median(slices.Clone(values[from:to]))
	}
	var slopes []float64
	for i := range blocks {
		for j := range i {
			slopes = append(slopes, (y[i]-y[j])/(at[i]-at[j]))
		}
	}
	slices.Sort(slopes)
	length := float64(len(values) - 1)
	middle := Median(slopes)
	rest := make([]float64, blocks)
	for i := range blocks {
		rest[i] = y[i] - middle*at[i]
	}
	s = Slope{Begin: Median(rest), Change: middle * length, Low: math.Inf(-1), High: math.Inf(1)}
	var sum float64
	outside := 0 // so many slopes lie outside on each side
	for _, p := range inversionCounts(blocks) {
		if sum += p; sum > (1-confidence)/2+1e-12 {
			break
		}
		outside++
	}
	if outside > 0 {
		s.Low, s.High = slopes[outside-1]*length, slopes[len(slopes)-outside]*length
	}
	return s, true
}

// inversionCounts is the probability that so many pairs of n values in random order are in the wrong one, from none on: the coefficients of
// the product of (1 + x + ... + x^k) for k below n, divided by n!.
func inversionCounts(n int) []float64 {
	p := []float64{1}
	for k := 1; k < n; k++ {
		next := make([]float64, len(p)+k)
		for i, v := range p {
			for j := range k + 1 {
				next[i+j] += v / float64(k+1)
			}
		}
		p = next
	}
	return p
}
