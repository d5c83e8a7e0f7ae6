package adaptiveconcurrency

import (
	"sync"
	"sync/atomic"
	"time"
)

// How the limit follows the latency. A window is judged as a whole: single requests say little.
const (
	leastWindow  = 100 * time.Millisecond
	mostWindow   = 5 * time.Second
	leastSamples = 10
	mostSamples  = 50
	// baseFor is how long a baseline counts that no window has confirmed. The limit is halved then, and again for as long as that makes
	// the upstream faster, to see what its latency is without others in the way.
	baseFor = 30 * time.Second
	// faster is the ratio of the latency with half of the requests to that with all of them, below which they were in each other's way.
	faster = 0.8
	// firstPatience is how long a client has to wait where nothing is known of the latency.
	firstPatience = 100 * time.Millisecond
	// lostShare of a window's requests, refused by the upstream or unanswered, lower the limit whatever the latency is.
	lostShare = 0.1
)

// bounds are what is configured.
type bounds struct {
	least, first, most int64
	tolerance          float64
}

// limiter bounds how many requests are in flight at an upstream. It takes the latency of windows with few requests in flight as the
// upstream's own, the baseline; where the median of a window is beyond tolerance times that, requests wait for each other in the
// upstream, and the limit falls in proportion. It rises while the latency is near the baseline and the limit is used.
type limiter struct {
	bounds
	inFlight atomic.Int64
	ceiling  atomic.Int64 // the limit, as a whole number
	shed     atomic.Int64 // since the last window
	usedAt   atomic.Int64 // Unix seconds

	mu      sync.Mutex // guards what follows
	limit   float64
	base    time.Duration // 0: unknown
	baseAt  time.Time     // when it was last confirmed
	settled bool          // the limit has fallen once: it rises slowly since
	before  float64       // the limit before it was halved to see the baseline; 0: it is not
	crowded time.Duration // the latency before it was halved last
	recent  time.Duration // median of the last window
	warm    bool          // the first window is over
	changed time.Time     // when the limit was set last: what was asked before says nothing of it
	window  window
}

func newLimiter(b bounds) *limiter {
	l := &limiter{bounds: b, limit: float64(b.first)}
	l.ceiling.Store(b.first)
	return l
}

// isFull tells whether more than share percent of the limit are in flight; then it counts as one that was refused.
func (l *limiter) isFull(share int64) bool {
	if l.inFlight.Load() < l.places(share) {
		return false
	}
	l.shed.Add(1)
	return true
}

// places are share percent of the limit.
func (l *limiter) places(share int64) int64 { return max(1, (l.ceiling.Load()*share+99)/100) }

// enter counts a request in; false: more than share percent of the limit are in flight.
func (l *limiter) enter(share int64) bool {
	for {
		n := l.inFlight.Load()
		if n >= l.places(share) {
			l.shed.Add(1)
			return false
		}
		if l.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave counts a request out.
func (l *limiter) leave() { l.inFlight.Add(-1) }

// outcome is what became of a request.
type outcome int

const (
	answered outcome = iota
	lost             // the upstream refused it, or did not answer in time
	left             // its client did not wait any longer: lost, if it has waited for long
)

// observe takes over what became of a request that the upstream was asked at a time, and how long it took. It is called before leave.
func (l *limiter) observe(asked, now time.Time, took time.Duration, what outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if asked.Before(l.changed) || what == left && took < l.patience() {
		return // a client that leaves early says nothing of the upstream, one that has waited for long does
	}
	w := &l.window
	if w.began.IsZero() {
		w.began = now
		l.usedAt.Store(now.Unix())
	}
	w.peak = max(w.peak, l.inFlight.Load())
	if what != answered {
		w.lost++
	} else {
		w.latency.add(took)
	}
	age := now.Sub(w.began)
	full := age >= max(leastWindow, 2*l.recent) && w.all() >= min(max(leastSamples, l.ceiling.Load()), mostSamples)
	if full || age >= mostWindow {
		before := l.limit
		l.judge(now)
		w.reset()
		if l.limit != before {
			l.changed = now
		}
	}
}

// patience is how long a client has to wait for its leaving to say something. The caller holds the lock.
func (l *limiter) patience() time.Duration {
	if l.base == 0 {
		return firstPatience
	}
	return time.Duration(l.tolerance * float64(l.base))
}

// judge sets the limit by the window that has ended. The caller holds the lock.
func (l *limiter) judge(now time.Time) {
	w := &l.window
	shed := l.shed.Swap(0)
	used := shed > 0 || float64(w.peak) >= 0.8*l.limit
	switch {
	case float64(w.lost) > lostShare*float64(w.all()):
		l.restore()
		l.set(l.limit * (1 - float64(w.lost)/float64(w.all())/2))
		l.settled = true
		return
	case w.latency.n == 0:
		return
	case !l.warm: // requests of a burst's beginning find the upstream idle
		l.warm, l.changed = true, now
		return
	}
	l.recent = w.latency.median()
	if l.before > 0 {
		l.look(now)
		return
	}
	if l.base == 0 && used { // it may be crowded from the beginning
		l.confirm(l.recent, now)
		l.halve()
		return
	}
	l.follow(now, !used && 2*float64(w.peak) <= l.limit)
	switch ratio := float64(l.recent) / float64(l.base); {
	case ratio > l.tolerance:
		l.set(l.limit * max(0.5, min(0.95, l.tolerance/ratio)))
		l.settled = true
	case used && now.Sub(l.baseAt) >= baseFor:
		l.halve()
	case used && ratio < (1+l.tolerance)/2:
		step := max(1, l.limit/10)
		if !l.settled {
			step = l.limit / 2
		}
		l.set(l.limit + step)
	}
}

// follow keeps the baseline up to date: it falls with the latency, and rises where the upstream is known not to be crowded, as few requests
// are in flight or the limit cannot be lower. The caller holds the lock.
func (l *limiter) follow(now time.Time, idle bool) {
	switch {
	case l.base == 0 || l.limit <= float64(l.least):
		l.confirm(l.recent, now)
	case l.recent <= l.base || idle:
		l.confirm((l.base+l.recent)/2, now)
	}
}

func (l *limiter) confirm(base time.Duration, now time.Time) {
	l.base, l.baseAt = max(base, 1), now
}

// halve begins to look for the baseline. The caller holds the lock.
func (l *limiter) halve() {
	l.before, l.crowded = l.limit, l.recent
	l.set(l.limit / 2)
}

// look goes on with half of the requests for as long as that makes the upstream faster. If it did, the limit is what it was before the last
// time that did not. The caller holds the lock.
func (l *limiter) look(now time.Time) {
	if float64(l.recent) < faster*float64(l.crowded) && l.limit > float64(l.least) {
		l.crowded = l.recent
		l.settled = true
		l.before = l.limit
		l.set(l.limit / 2)
		return
	}
	l.confirm(min(l.recent, l.crowded), now)
	l.restore()
}

// restore ends the look for the baseline.
func (l *limiter) restore() {
	if l.before > 0 {
		l.set(l.before)
		l.before = 0
	}
}

func (l *limiter) set(limit float64) {
	l.limit = min(max(limit, float64(l.least)), float64(l.most))
	l.ceiling.Store(int64(l.limit))
}

// state is what metrics tell of a limiter.
func (l *limiter) state() (limit int64, base time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ceiling.Load(), l.base
}
