package upstream

import (
	"math"
	"sync/atomic"
	"time"
)

// decay is over how long a latency is forgotten: after that long it weighs
// 1/e, as in Kong.
const decay = 10 * time.Second

// latency is an exponentially weighted moving average of the time until a
// target's headers. It is measured where the balancer goes by it. Of two
// updates at once one may be lost: it is an estimate.
type latency struct {
	seconds atomic.Uint64 // bits of a float64; 0: not measured
	at      atomic.Int64  // Unix nanoseconds
}

func (l *latency) observe(took time.Duration, now time.Time) {
	at := now.UnixNano()
	weight := math.Exp(-float64(max(at-l.at.Swap(at), 0)) / float64(decay))
	was := math.Float64frombits(l.seconds.Load())
	if was == 0 {
		weight = 0
	}
	// Not below a microsecond: 0 is not measured.
	l.seconds.Store(math.Float64bits(max(was*weight+took.Seconds()*(1-weight), 1e-6)))
}

// value is the average as it is forgotten while nothing is measured: a target
// that was slow gets no requests by which it could show that it no longer is,
// until it seems as fast as the others. 0: not measured.
func (l *latency) value(now int64) float64 {
	was := math.Float64frombits(l.seconds.Load())
	if was == 0 {
		return 0
	}
	return was * math.Exp(-float64(max(now-l.at.Load(), 0))/float64(decay))
}
