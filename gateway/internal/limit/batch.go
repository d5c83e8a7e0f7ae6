package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch is how many keys one run of the script handles: Redis serves no
// other client meanwhile.
const maxBatch = 256

// batcher asks one Redis for all rules. While a round trip is under way
// requests gather; the next one asks for all of them at once, each key once
// with the number of requests that wait for it. What is granted goes to them
// in order of arrival. What is granted beyond them is the key's lease.
type batcher struct {
	l      *Limiter
	redis  Redis
	script *redis.Script
	half   time.Duration // for one round trip: a request may have to wait for two
	free   sync.Pool     // of *waiter
	unused chan struct{} // closed by Keep
	// ahead is Redis' clock less the limiter's in milliseconds, as of the last
	// reply; too large by the time of that round trip at most, so that no lease
	// is used in a window that it was not granted in.
	ahead   atomic.Int64
	spread  bool        // the keys are on several servers, each with a clock of its own: ahead is the entries' too
	leasing atomic.Bool // a rule holds leases or shares: this replica is to be counted
	// replicas is how many live, at least 1.
	replicas atomic.Int64
	away     atomic.Bool  // Redis did not answer the last time
	outages  atomic.Int64 // how often that began, and one
	apart    atomic.Int64 // until when another replica may not know that Redis is back, Unix ms

	mu      sync.Mutex
	closed  bool
	pending []*entry
	refunds []*refund
	owing   []*entry // have let requests pass that Redis does not know of
	wake    chan struct{}

	// The loop's.
	spare  []*entry // the other half of pending's double buffer
	groups []*group
	held   []*entry // have leases
	beaten bool
}

// waiter is one request that waits for Redis.
type waiter struct {
	next *waiter
	done chan struct{}
	d    Decision
	err  error
}

func (l *Limiter) batcher(r Redis) (*batcher, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	b := l.batchers[r]
	if b == nil {
		b = &batcher{l: l, redis: r, script: redis.NewScript(leaseSource), spread: spread(r), half: l.timeout(r) / 2,
			wake: make(chan struct{}, 1), unused: make(chan struct{})}
		b.replicas.Store(1)
		b.outages.Store(1)
		b.free.New = func() any { return &waiter{done: make(chan struct{}, 1)} }
		l.batchers[r] = b
		l.wg.Go(b.loop)
	}
	return b, nil
}

// decide answers one request: from the key's lease, from what Redis has said of
// an exhausted key, or by asking Redis.
func (b *batcher) decide(r *Rule, key string) (Decision, error) {
	now := b.l.now()
	e := b.l.lock(r, key, now)
	e.touch(now + redisIdle)
	at := b.clock(e, now)
	b.refund(e.turn(at))
	if l := e.lease; l != nil && l.left > 0 {
		d := e.spend(at)
		low := l.low()
		l.refilling = l.refilling || low
		e.mu.Unlock()
		if low {
			b.ask(e, nil)
		}
		return d, nil
	}
	if e.until > at {
		if e.lease != nil {
			e.lease.taken++
		}
		d := e.decision(false, at)
		e.mu.Unlock()
		return d, nil
	}
	b.settleDebt(e)
	e.mu.Unlock()
	return b.take(e)
}

// take waits for Redis' answer to one request: for the rest of the round trip
// under way and for one more.
func (b *batcher) take(e *entry) (Decision, error) {
	w := b.free.Get().(*waiter)
	if !b.ask(e, w) {
		return Decision{}, ErrClosed
	}
	<-w.done
	d, err := w.d, w.err
	w.next, w.err = nil, nil
	b.free.Put(w)
	return d, err
}

// ask has the next round trip ask for e: for w, or, if that is nil, for its
// lease alone. It returns false when the batcher is closed.
func (b *batcher) ask(e *entry, w *waiter) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	if !e.queued {
		e.queued = true
		b.pending = append(b.pending, e)
	}
	if w != nil {
		if e.head == nil {
			e.head = w
		} else {
			e.tail.next = w
		}
		e.tail = w
		e.waiting++
	}
	b.mu.Unlock()
	b.rouse()
	return true
}

// refund has the next round trip give permits back; f may be nil. The caller
// may hold the entry's lock.
func (b *batcher) refund(f *refund) {
	if f == nil {
		return
	}
	b.mu.Lock()
	b.refunds = append(b.refunds, f)
	b.mu.Unlock()
	b.l.returned.Add(float64(max(0, f.back)))
	b.rouse()
}

func (b *batcher) rouse() {
	select {
	case b.wake <- struct{}{}:
	default: // the loop is awake already, and looks again before it sleeps
	}
}

func (b *batcher) loop() {
	unused := b.unused
	var over, review <-chan time.Time
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-b.l.ctx.Done():
			b.close()
			return
		case <-unused:
			unused, over = nil, time.After(b.l.cfg.RetireAfter)
		case <-over:
			b.close()
			return
		case <-beat.C:
			b.beaten = false
		case <-review:
			review = nil
			b.review()
		case <-b.wake:
		}
		if b.leasing.Load() && !b.beaten {
			b.beat(true)
		}
		for b.flush() {
		}
		if len(b.held) > 0 && review == nil {
			review = time.After(leaseReview * time.Millisecond)
		}
	}
}

// close answers all waiters with ErrClosed and gives all leases back.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	for _, e := range b.held {
		e.mu.Lock()
		if e.lease.left > 0 {
			b.refund(e.giveBack(e.lease.left))
		}
		e.mu.Unlock()
	}
	b.held = nil
	groups := b.collect()
	for _, g := range groups {
		g.fail(b, ErrClosed)
	}
	b.exchange(groups)
	if b.leasing.Load() {
		b.beat(false)
	}
}

// flush asks Redis for all waiting requests, and gives back what is to be given
// back; false when there was nothing to do.
func (b *batcher) flush() bool {
	groups := b.collect()
	b.exchange(groups)
	return len(groups) > 0
}

// exchange makes one round trip.
func (b *batcher) exchange(groups []*group) {
	now := b.l.now()
	var calls []*call
	for _, g := range groups {
		g.prepare(b, now)
		calls = append(calls, g.calls...)
	}
	if len(calls) == 0 {
		return
	}
	err := b.run(b.script, calls)
	b.l.roundTrips.Inc()
	failed, answered := err != nil, false
	for _, c := range calls {
		if err != nil && c.err == nil { // nothing was sent
			c.err = err
		}
		failed = failed || c.err != nil
		answered = answered || c.err == nil
	}
	b.heardOf(answered)
	if failed {
		b.l.failures.Inc()
	}
	for _, g := range groups {
		if failure := g.settle(b, now); failure != nil {
			g.fail(b, failure)
		}
	}
}

// clock is Redis' time by the limiter's, or a little later. The caller holds e.mu.
func (b *batcher) clock(e *entry, now int64) int64 {
	if b.spread {
		return now + e.ahead
	}
	return now + b.ahead.Load()
}

// heard notes how far the clock of e's server is ahead of the limiter's.
func (b *batcher) heard(e *entry, ahead int64) {
	b.ahead.Store(ahead)
	if b.spread {
		e.mu.Lock()
		e.ahead = ahead
		e.mu.Unlock()
	}
}

func (b *batcher) run(script *redis.Script, calls []*call) error {
	ctx, cancel := context.WithTimeout(context.Background(), b.half)
	defer cancel()
	return b.redis.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return runAll(ctx, rdb, script, calls)
	})
}

// collect takes all refunds and all waiters off their entries and sorts them by
// rule.
func (b *batcher) collect() []*group {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups = b.groups[:0]
	for _, f := range b.refunds {
		b.group(f.e.rule).add(item{e: f.e, refund: f})
	}
	b.refunds = nil
	entries := b.pending
	b.pending = b.spare[:0]
	b.spare = entries
	for _, e := range entries {
		b.group(e.rule).add(item{e: e, head: e.head, n: e.waiting})
		b.l.batched.Add(float64(e.waiting))
		e.head, e.tail = nil, nil
		e.waiting = 0
		e.queued = false
	}
	clear(entries)
	return b.groups
}

// group finds the group of a rule, and begins it where there is none.
func (b *batcher) group(r *Rule) *group {
	for _, have := range b.groups { // there are few rules
		if have.rule.id == r.id {
			return have
		}
	}
	g := &group{rule: r}
	b.groups = append(b.groups, g)
	return g
}
