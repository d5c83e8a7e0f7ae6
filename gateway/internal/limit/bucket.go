package limit

import "math"

// tokenUnit is how many parts of a token a bucket's counter counts, so that
// slow buckets fill from one millisecond to the next.
const tokenUnit = 1_000_000

// MaxBurst is the largest bucket, and the most that it gets back in its time: it
// keeps a bucket's parts exact in Redis' numbers.
const MaxBurst = 1_000_000_000

// A bucket's counter: cur is the parts of tokens that were missing at start.

// unit is what one request adds to the counter.
func (w *Window) unit() int64 {
	if w.Burst > 0 {
		return tokenUnit
	}
	return 1
}

// refill is how many parts come back in a millisecond.
func (w *Window) refill() float64 {
	return float64(w.Limit) * tokenUnit / float64(w.Size.Milliseconds())
}

// missing is how many parts the bucket lacks at now.
func (w *Window) missing(c *counter, now int64) float64 {
	return max(0, float64(c.cur)-float64(max(0, now-c.start))*w.refill())
}

// tokens is how many requests the bucket has room for.
func (w *Window) tokens(c *counter, now int64) int64 {
	return int64(math.Floor((float64(w.Burst)*tokenUnit - w.missing(c, now)) / tokenUnit))
}

// filledTo is when the bucket lacks parts at most.
func (w *Window) filledTo(c *counter, parts float64, now int64) int64 {
	return now + int64(math.Ceil(max(0, w.missing(c, now)-parts)/w.refill()))
}

// pour brings a bucket's counter to now, and takes n tokens.
func (w *Window) pour(c *counter, n, now int64) {
	c.cur = int64(math.Ceil(w.missing(c, now))) + n*tokenUnit
	c.start = now
	c.end = w.filledTo(c, 0, now)
}

// rollBucket begins a counter; one whose clock was set back begins at the new
// time with what it lacked.
func (w *Window) rollBucket(c *counter, now int64) {
	if c.start == 0 || now < c.start {
		c.start = now
	}
	c.end = w.filledTo(c, 0, now)
}
