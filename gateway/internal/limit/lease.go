package limit

// What sizes a lease, in milliseconds.
const (
	// leaseHorizon is how long the permits of a lease should last by the demand
	// of the moment; a tenth of the shortest window if that is less.
	leaseHorizon = 200
	// leaseHold is after how long a lease is checked for permits that its key
	// does not need; a quarter of the shortest window if that is less.
	leaseHold = 1000
	// leaseGuard is how long before the end of its window a lease ends: clocks
	// run at different speeds, and are read in whole milliseconds.
	leaseGuard = 5
	// leaseReview is how often leases are reviewed.
	leaseReview = 100
	// The first and the longest pause before Redis is asked again for a key
	// whose last permits other replicas hold, and may give back.
	firstRetry = 50
	lastRetry  = 1000
)

const (
	leastLease  = 16 // permits that a slow key holds, where it uses them within leaseHold
	leastRefill = 8  // permits of a lease that is filled up before it is used up
	leaseGrowth = 4  // times the lease before, at most
)

// lease is the permits of one key that this process holds: they are counted in
// Redis already, in the windows that the entry's counters stand in. The entry's
// lock guards it.
type lease struct {
	left  int64 // permits in hand
	size  int64 // left after the last grant
	spent int64 // used, and Redis has not been told

	target int64 // permits that were wanted last
	taken  int64 // requests since Redis was asked
	asked  int64 // when that was, limiter's time

	used     int64 // permits used since the last review
	reviewed int64 // when that was, limiter's time

	short     bool // Redis gave less than was wanted: the lease is used up before it is asked again
	refilling bool // Redis is being asked
	held      bool // in the batcher's list
}

// leaseTimes are a rule's: see the constants.
type leaseTimes struct{ horizon, hold, most int64 }

func (r *Rule) leaseTimes() leaseTimes {
	t := leaseTimes{horizon: leaseHorizon, hold: leaseHold, most: 1 << 40}
	for i := range r.windows {
		w := &r.windows[i]
		// A replica that is killed loses what it holds: a hundredth of the limit,
		// but of small limits as much as makes it worth while.
		t.most = min(t.most, max(w.Limit/100, 10))
		if w.Months == 0 {
			t.horizon = min(t.horizon, w.Size.Milliseconds()/10)
			t.hold = min(t.hold, w.Size.Milliseconds()/4)
		}
	}
	return t
}

// low says that it is time to ask for more.
func (l *lease) low() bool {
	return l.size >= leastRefill && l.left <= l.size/4 && !l.short && !l.refilling
}

// want is how many permits to ask for beyond those of the need requests that
// wait: what the key uses within the horizon. now is the limiter's time.
func (l *lease) want(t leaseTimes, need, now int64) int64 {
	taken, elapsed := l.taken+need, max(1, now-l.asked)
	first := l.asked == 0
	l.asked, l.taken = now, 0
	if first {
		return 0
	}
	target := max(taken*t.horizon/elapsed, min(leastLease, taken*t.hold/elapsed))
	l.target = min(target, leaseGrowth*max(1, l.target), t.most)
	return max(0, l.target-l.left)
}

// surplus is how many permits the key will not need soon, by what it has used
// since the last review.
func (l *lease) surplus() int64 { return max(0, l.left-l.used) }

// spend uses a permit. The caller holds mu.
func (e *entry) spend(at int64) Decision {
	l := e.lease
	l.left--
	l.spent++
	l.used++
	l.taken++
	for i := range e.counters {
		e.counters[i].cur++
	}
	if e.share != nil {
		e.share.count(e.counters, 1)
	}
	return e.decision(true, at)
}

// giveBack takes n permits off the lease; what is returned is to be sent to
// Redis, in the windows of the lease. The caller holds mu.
func (e *entry) giveBack(n int64) *refund {
	l := e.lease
	f := &refund{e: e, spent: l.spent, back: n}
	l.left -= n
	l.size = l.left
	l.spent = 0
	for i := range e.counters {
		c := &e.counters[i]
		c.cur -= n
		f.starts[i] = c.start
	}
	return f
}

// refund is permits that go back to Redis, and what was used of the others.
type refund struct {
	e           *entry
	spent, back int64
	starts      [MaxWindows]int64

	debt   bool // permits that Redis has not granted: back is below zero
	window int  // the debt's
}

// turn brings the entry to Redis' time at: a lease whose first window is over
// ends, and the counters roll. What the other windows get back is returned, nil
// if nothing. The caller holds mu.
func (e *entry) turn(at int64) (f *refund) {
	if l := e.lease; l != nil && l.left > 0 && e.firstEnd() <= at+leaseGuard {
		if len(e.counters) > 1 || e.rule.sliding {
			f = e.giveBack(l.left)
		}
		l.left, l.size = 0, 0
		l.spent = 0
	}
	if e.roll(at) {
		e.until = 0
	}
	return f
}

// firstEnd is when the first of the windows ends.
func (e *entry) firstEnd() int64 {
	end := e.counters[0].end
	for i := range e.counters {
		end = min(end, e.counters[i].end)
	}
	return end
}
