package engine

import (
	"math/bits"
	"time"
)

// coarseHistogram is a latency distribution for one second of a series: within 1.6%,
// from 1 us to 67 s, at a thirtieth of a full histogram's memory.
type coarseHistogram struct {
	n      uint64
	counts [coarseSize]uint32
}

// Values below 2^coarseBits microseconds have a bucket each; above, each power
// of two is cut into half as many.
const (
	coarseBits = 6
	coarseHalf = 1 << (coarseBits - 1)
	coarseTop  = 26 // values are below 2^26 us
	coarseSize = (coarseTop-coarseBits)*coarseHalf + 1<<coarseBits
)

func (c *coarseHistogram) record(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	us = min(us, 1<<coarseTop-1)
	shift := max(bits.Len64(us)-coarseBits, 0)
	c.counts[shift*coarseHalf+int(us>>shift)]++
	c.n++
}

func (c *coarseHistogram) add(o *coarseHistogram) {
	if o.n == 0 {
		return
	}
	c.n += o.n
	for i, n := range o.counts {
		c.counts[i] += n
	}
}

// quantile is the middle of the bucket in which quantile q lies; 0 without
// values.
func (c *coarseHistogram) quantile(q float64) time.Duration {
	if c.n == 0 {
		return 0
	}
	rank := min(uint64(q*float64(c.n))+1, c.n)
	var seen uint64
	for i, n := range c.counts {
		if seen += uint64(n); seen >= rank {
			shift := max(i/coarseHalf-1, 0)
			low := uint64(i-shift*coarseHalf) << shift
			width := uint64(1) << shift
			return time.Duration(low)*time.Microsecond + time.Duration(width)*time.Microsecond/2
		}
	}
	return 0
}
