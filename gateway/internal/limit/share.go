package limit

import (
	"math"
	"time"
)

// share is what this process lets pass of a key while Redis is away, and until all
// replicas are known to have it back, in each window. The entry's lock guards it.
type share struct {
	starts [MaxWindows]int64 // of the windows that the others are about
	outage [MaxWindows]int64 // that most is of
	most   [MaxWindows]int64 // may pass in all, through Redis or without it
	used   [MaxWindows]int64 // of most
	own    [MaxWindows]int64 // has passed without Redis, and Redis does not know of it

	passed [MaxWindows]passed

	sending bool // Redis is being told
	owing   bool // in the batcher's list; the batcher's lock
}

// passed is what this process has let pass of one window, through Redis or without it.
type passed struct{ start, cur, prev int64 }

// roll brings it to the window of c.
func (p *passed) roll(c *counter) {
	if p.start == c.start {
		return
	}
	before := int64(0)
	if p.start+c.end-c.start == c.start {
		before = p.cur
	}
	*p = passed{start: c.start, prev: before}
}

// count notes that n have passed, in the windows of counters.
func (s *share) count(counters []counter, n int64) {
	for i := range counters {
		s.passed[i].roll(&counters[i])
		s.passed[i].cur += n
	}
}

// rest is how much more of window i may pass here if each of n replicas lets pass the same.
func (s *share) rest(i int, r *Rule, c *counter, n, at int64) int64 {
	p := &s.passed[i]
	p.roll(c)
	part := r.windows[i].Limit / n
	if !r.sliding {
		return part - p.cur
	}
	return part - p.cur - int64(math.Ceil(float64(p.prev)*c.weight(at)))
}

// rejoin is for how many milliseconds after Redis is back a request needs both Redis and a
// place in this replica's share: other replicas may not have noticed yet, and what they let
// pass is not counted in Redis. Each notices with its next beat, if not before.
const rejoin = 3 * beatEvery / 2 / time.Millisecond

// heardOf notes whether Redis has answered. It is the loop's.
func (b *batcher) heardOf(ok bool) {
	if away := b.away.Load(); ok && away {
		b.apart.Store(b.l.now() + int64(rejoin))
		b.away.Store(false)
	} else if !ok && !away {
		b.outages.Add(1)
		b.away.Store(true)
	}
}

// keepsApart tells whether another replica may count without Redis.
func (b *batcher) keepsApart() bool { return b.away.Load() || b.l.now() < b.apart.Load() }

// TakeShare decides without Redis, after Take has returned an error. A replica admits
// the smaller of two shares of each window: the requests that were left at its last
// contact with Redis, divided by the number of live replicas; and the limit divided by
// that number, less what this replica has admitted already. The first share alone is
// too large if other replicas have admitted requests since that contact. With the
// second, the window in which Redis fails stays within its limit, unless a replica had
// admitted more than its part before. The counts are sent to Redis when it is available
// again. The policy must have Share set.
func (r *Rule) TakeShare(key string) Decision {
	b := r.batch
	e, d := b.shareOf(r, key)
	defer e.mu.Unlock()
	if d.Allowed {
		for i := range e.counters {
			e.share.used[i]++
			e.share.own[i]++
			d.left[i]--
		}
		e.share.count(e.counters, 1)
		b.owe(e)
	}
	return d
}

// takeApart asks Redis, and needs a place in the share as well.
func (b *batcher) takeApart(r *Rule, key string) (Decision, error) {
	e, d := b.shareOf(r, key)
	starts := e.share.starts
	if d.Allowed {
		e.share.use(starts, 1)
	}
	e.mu.Unlock()
	if !d.Allowed {
		return d, nil
	}
	d, err := b.decide(r, key)
	if err != nil || !d.Allowed {
		e.mu.Lock()
		e.share.use(starts, -1)
		e.mu.Unlock()
	}
	return d, err
}

// use adds to what has been used in the windows that began at starts.
func (s *share) use(starts [MaxWindows]int64, n int64) {
	for i, start := range starts {
		if s.starts[i] == start {
			s.used[i] += n
		}
	}
}

// shareOf is a key's entry, locked, and whether there is a place left in its share.
func (b *batcher) shareOf(r *Rule, key string) (*entry, Decision) {
	now := b.l.now()
	e := b.l.lock(r, key, now)
	at := b.clock(e, now)
	b.refund(e.turn(at))
	s := e.share
	outage := b.outages.Load()
	d := Decision{Allowed: true, at: at, free: at}
	for i := range e.counters {
		c := &e.counters[i]
		if s.starts[i] != c.start {
			s.starts[i], s.outage[i] = c.start, 0
			s.own[i] = 0
		}
		if s.outage[i] != outage {
			s.outage[i], s.used[i] = outage, 0
			n := b.replicas.Load()
			s.most[i] = min(c.left(&r.windows[i], r.sliding, at)/n-s.own[i], s.rest(i, r, c, n, at))
		}
		d.left[i] = max(0, s.most[i]-s.used[i])
		d.ends[i] = c.end
		if d.left[i] == 0 {
			d.Allowed = false
			d.free = max(d.free, c.end)
		}
		e.touch(max(c.end, now+redisIdle))
	}
	return e, d
}

// owe notes that Redis is to be told of e's share when it is back. The caller
// holds e.mu.
func (b *batcher) owe(e *entry) {
	b.mu.Lock()
	if !e.share.owing {
		e.share.owing = true
		b.owing = append(b.owing, e)
	}
	b.mu.Unlock()
}

// settleDebts has Redis told of all shares.
func (b *batcher) settleDebts() {
	b.mu.Lock()
	owing := b.owing
	b.owing = nil
	for _, e := range owing {
		e.share.owing = false
	}
	b.mu.Unlock()
	for _, e := range owing {
		e.mu.Lock()
		b.settleDebt(e)
		e.mu.Unlock()
	}
}

// settleDebt has Redis told of what e let pass, window by window: a shorter one
// may have begun anew. The caller holds e.mu.
func (b *batcher) settleDebt(e *entry) {
	s := e.share
	if s == nil || s.sending {
		return
	}
	for i := range e.counters {
		if n := s.own[i]; n > 0 {
			s.sending = true
			f := &refund{e: e, spent: n, back: -n, debt: true, window: i}
			for j := range f.starts {
				f.starts[j] = -1
			}
			f.starts[i] = s.starts[i]
			b.refund(f)
		}
	}
}

// told notes what became of a debt. One that may not have reached Redis is told
// again: to count it twice admits too little, to forget it too much.
func (b *batcher) told(f *refund, ok bool) {
	e := f.e
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.share
	s.sending = false
	if s.starts[f.window] != f.starts[f.window] {
		return
	}
	if !ok {
		b.owe(e)
		return
	}
	s.own[f.window] -= f.spent
	if c := &e.counters[f.window]; c.start == s.starts[f.window] {
		c.cur += f.spent
	}
}
