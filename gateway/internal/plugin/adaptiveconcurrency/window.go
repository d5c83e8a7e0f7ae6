package adaptiveconcurrency

import (
	"math/bits"
	"time"
)

// window is what was seen since the limit was last judged.
type window struct {
	began   time.Time
	peak    int64 // most requests in flight
	lost    int64
	latency histogram
}

func (w *window) all() int64 { return w.latency.n + w.lost }

func (w *window) reset() {
	if w.latency.n > 0 {
		w.latency = histogram{}
	}
	w.began = time.Time{}
	w.peak, w.lost = 0, 0
}

// steps are a histogram's buckets in each power of two: a bucket is 3% wide, or a microsecond.
const steps = 32

// histogram has latencies up to a minute by their microseconds.
type histogram struct {
	n      int64
	counts [22 * steps]uint32
}

func (h *histogram) add(d time.Duration) {
	h.n++
	h.counts[bucketOf(d)]++
}

func bucketOf(d time.Duration) int {
	us := uint64(min(max(d, 0), time.Minute) / time.Microsecond) //nolint:gosec // not negative
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(us) - bits.Len64(steps)
	return shift*steps + int(us>>shift) //nolint:gosec // below 2 x steps
}

// lowest is the beginning of a bucket.
func lowest(bucket int) time.Duration {
	if bucket < 2*steps {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := bucket/steps - 1
	return time.Duration((bucket-shift*steps)<<shift) * time.Microsecond
}

// median is in the middle of its bucket.
func (h *histogram) median() time.Duration {
	left := (h.n + 1) / 2
	for i, n := range h.counts {
		if left -= int64(n); left <= 0 {
			return (lowest(i) + lowest(i+1)) / 2
		}
	}
	return 0
}
