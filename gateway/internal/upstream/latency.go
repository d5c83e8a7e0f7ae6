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

func (l *latency) value() float64 { return math.Float64frombits(l.seconds.Load()) }
