package measure

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"time"
)

// Coarse is a latency distribution for one second of a series: within 1.6%, from 1 us to 67 s, at a thirtieth of a Histogram's memory. The
// zero value is empty and ready. It is not safe for concurrent use.
type Coarse struct {
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

// Record adds one sample.
func (c *Coarse) Record(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	us = min(us, 1<<coarseTop-1)
	shift := max(bits.Len64(us)-coarseBits, 0)
	c.counts[shift*coarseHalf+int(us>>shift)]++
	c.n++
}

// Add adds the samples of another, which stays as it is; nil has none.
func (c *Coarse) Add(o *Coarse) {
	if o == nil || o.n == 0 {
		return
	}
	c.n += o.n
	for i, n := range o.counts {
		c.counts[i] += n
	}
}

// Count is the number of samples.
func (c *Coarse) Count() uint64 { return c.n }

// Quantile is the middle of the bucket in which quantile q lies; 0 without
// samples.
func (c *Coarse) Quantile(q float64) time.Duration {
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

// MarshalJSON is a list of the buckets that hold samples: index, count, index, count and so on.
func (c *Coarse) MarshalJSON() ([]byte, error) {
	pairs := []uint64{}
	for i, n := range c.counts {
		if n > 0 {
			pairs = append(pairs, uint64(i), uint64(n))
		}
	}
	return json.Marshal(pairs)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Coarse) UnmarshalJSON(b []byte) error {
	var pairs []uint64
	if err := json.Unmarshal(b, &pairs); err != nil {
		return fmt.Errorf("decode coarse histogram: %w", err)
	}
	if len(pairs)%2 != 0 {
		return fmt.Errorf("decode coarse histogram: %d numbers are no pairs of bucket and count", len(pairs))
	}
	*c = Coarse{}
	for ; len(pairs) > 0; pairs = pairs[2:] {
		bucket, n := pairs[0], pairs[1]
		if bucket >= coarseSize || n >= 1<<32 {
			return fmt.Errorf("decode coarse histogram: bucket %d with %d samples: want buckets below %d", bucket, n, coarseSize)
		}
		c.counts[bucket] = uint32(n)
		c.n += n
	}
	return nil
}
