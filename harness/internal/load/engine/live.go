package engine

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// liveKept is how many of the latest seconds a shard keeps by the end of their
// requests. Two would do: the full one, and the one that goes on.
const liveKept = 3

// liveSecond is a second of an attack by the requests that ended in it, for the
// progress. The series counts a request in the second in which it was sent, and
// so knows nothing yet of a second whose requests take longer than that.
type liveSecond struct {
	index     int // of the second, from the one before the warm-up's first; 0: none yet
	successes uint64
	latency   measure.Coarse
}

// live adds an event to the second in which it ended.
func (s *shard) live(warmup, latency time.Duration, e *event) {
	i := secondOf(warmup, e.end) + 1
	if i < 1 || e.outcome != success {
		return
	}
	l := &s.latest[i%liveKept]
	if l.index > i {
		return // it ended long before it was recorded
	}
	if l.index < i {
		*l = liveSecond{index: i}
	}
	l.successes++
	l.latency.Record(latency)
}

// endedIn is what ended in a second of the measured window; those of the warm-up
// are negative.
func (r *recorder) endedIn(offset int) (sum liveSecond) {
	i := warmSeconds(r.warmup) + offset + 1
	if i < 1 {
		return sum
	}
	for _, s := range r.shards {
		s.mu.Lock()
		if l := &s.latest[i%liveKept]; l.index == i {
			sum.successes += l.successes
			sum.latency.Add(&l.latency)
		}
		s.mu.Unlock()
	}
	return sum
}
