package engine

import "math"

// stream is a repeatable sequence of random numbers (splitmix64): one addition
// and a few multiplications a number, no allocation.
type stream uint64

// newStream is the n-th stream of a seed. Streams of neighbouring numbers have
// nothing in common.
func newStream(seed, n uint64) stream {
	s := stream(seed)
	base := s.next()
	s = stream(base ^ (n+1)*0xd1342543de82ef95)
	s.next()
	return s
}

func (s *stream) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// float is uniform in [0, 1).
func (s *stream) float() float64 { return float64(s.next()>>11) / (1 << 53) }

// below is uniform in [0, n).
func (s *stream) below(n int) int { return int(s.float() * float64(n)) }

// chooser draws an index with given weights by inverting their cumulative
// distribution. A guide table, one entry an index, tells where to begin the
// search, so that a draw takes two steps on average whatever the weights are.
type chooser struct {
	cumulative []float64 // ends with 1
	guide      []int32   // guide[k] is the first index whose cumulative reaches k/n
}

// newChooser takes weights of 0 or more; where all are 0, all count alike.
func newChooser(weights []float64) chooser {
	n := len(weights)
	c := chooser{cumulative: make([]float64, n), guide: make([]int32, n)}
	var sum float64
	for _, w := range weights {
		sum += w
	}
	var upTo float64
	for i, w := range weights {
		if sum == 0 {
			upTo += 1 / float64(n)
		} else {
			upTo += w / sum
		}
		c.cumulative[i] = upTo
	}
	// Sums of fractions end beside 1. The last index that may be drawn takes what
	// is left; those of weight 0 behind it stay out of reach.
	for i := n - 1; i >= 0; i-- {
		c.cumulative[i] = 1
		if sum == 0 || weights[i] > 0 {
			break
		}
	}
	at := 0
	for k := range c.guide {
		for c.cumulative[at] < float64(k)/float64(n) {
			at++
		}
		c.guide[k] = int32(at)
	}
	return c
}

// index is where u, uniform in [0, 1), falls.
func (c chooser) index(u float64) int {
	i := int(c.guide[int(u*float64(len(c.guide)))])
	for c.cumulative[i] <= u {
		i++
	}
	return i
}

// zipfWeights are 1/i^s for i from 1 to n: with s 0 all alike.
func zipfWeights(n int, s float64) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Pow(float64(i+1), -s)
	}
	return w
}
