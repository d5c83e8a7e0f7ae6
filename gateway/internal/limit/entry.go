package limit

import (
	"strconv"
	"sync"
)

// redisIdle is for how many milliseconds what is known of a key that Redis
// counts is kept after its last request.
const redisIdle = 60_000

// entry is what this process knows of one key of one rule.
type entry struct {
	rule *Rule
	key  string

	mu       sync.Mutex
	dead     bool // no longer in the limiter: look the key up again
	counters []counter
	until    int64 // Redis said that nothing can pass before this time of its clock, Unix ms
	expires  int64 // when the entry may be dropped, Unix ms
	ahead    int64 // as the batcher's, of the key's own server; with several only
	lease    *lease
	share    *share
	retry    int64 // pause before Redis is asked again for permits that others may give back, ms

	names      []string // Redis names of the counters, for the windows that began at namedAt
	namedAt    [MaxWindows]int64
	head, tail *waiter // waiting for Redis, in order of arrival; the batcher's lock
	waiting    int64
	queued     bool // to be asked for; the batcher's lock
	marked     bool // in the syncer's list; the syncer's lock
}

func newEntry(r *Rule, key string) *entry {
	e := &entry{rule: r, key: key, counters: make([]counter, len(r.windows))}
	if r.leases.most > 0 {
		e.lease = &lease{}
	}
	if r.share {
		e.share = &share{}
	}
	return e
}

// roll brings every counter to now's window, and says whether one of them has
// changed. The caller holds mu.
func (e *entry) roll(now int64) (changed bool) {
	for i := range e.counters {
		c := &e.counters[i]
		start := c.start
		c.roll(&e.rule.windows[i], now)
		changed = changed || c.start != start
	}
	return changed
}

// drop marks an entry that is taken out of the limiter; what it holds of a
// lease goes back. The caller holds mu.
func (e *entry) drop() {
	e.dead = true
	if l := e.lease; l != nil && l.left > 0 {
		e.rule.batch.refund(e.giveBack(l.left))
	}
}

func (e *entry) touch(expires int64) { e.expires = max(e.expires, expires) }

// take counts one request if every window has room. The caller holds mu and
// has rolled.
func (e *entry) take(now int64) Decision {
	allowed := true
	for i := range e.counters {
		if e.counters[i].left(&e.rule.windows[i], e.rule.sliding, now) < 1 {
			allowed = false
		}
	}
	for i := range e.counters {
		c := &e.counters[i]
		switch w := &e.rule.windows[i]; {
		case !allowed:
		case w.Burst > 0:
			w.pour(c, 1, now)
		default:
			c.cur++
			c.delta++
		}
		e.touch(c.end)
		if e.rule.sliding {
			e.touch(c.end + c.end - c.start)
		}
	}
	return e.decision(allowed, now)
}

// decision tells what the counters say now. The caller holds mu.
func (e *entry) decision(allowed bool, now int64) Decision {
	return e.rule.decision(e.counters, allowed, now)
}

func (r *Rule) decision(counters []counter, allowed bool, now int64) Decision {
	d := Decision{Allowed: allowed, at: now, free: now}
	for i := range counters {
		c, w := &counters[i], &r.windows[i]
		d.left[i] = max(0, c.left(w, r.sliding, now))
		d.ends[i] = c.end
		free := c.freeAt(w, r.sliding, now)
		if d.left[i] == 0 {
			// Of a window that slides, some of it weighs after its end.
			d.ends[i] = free
		}
		d.free = max(d.free, free)
	}
	return d
}

// weightOfUse is the largest count of the entry: what is lost if it is
// dropped before its time.
func (e *entry) weightOfUse() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	var n int64
	for i := range e.counters {
		n = max(n, (e.counters[i].cur+e.counters[i].prev)/e.rule.windows[i].unit())
	}
	return n
}

// redisName gives the name of the key's state in Redis. Only the batcher's loop
// calls it.
func (e *entry) redisName() string {
	if e.names == nil {
		e.names = []string{e.rule.redisPrefix(e.key) + e.rule.shape}
	}
	return e.names[0]
}

// redisNames gives the names of the counters in Redis: for each window the
// current one and, when windows slide, the previous one. They are made anew
// only when a window has begun. The caller holds mu.
func (e *entry) redisNames() []string {
	fresh := e.names != nil
	for i := range e.counters {
		fresh = fresh && e.namedAt[i] == e.counters[i].start
	}
	if fresh {
		return e.names
	}
	names := make([]string, 0, 2*len(e.counters))
	for i := range e.counters {
		c, w := &e.counters[i], &e.rule.windows[i]
		names = append(names, e.rule.redisKey(e.key, w, c.start))
		if e.rule.sliding {
			names = append(names, e.rule.redisKey(e.key, w, c.start-(c.end-c.start)))
		}
		e.namedAt[i] = c.start
	}
	e.names = names
	return names
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
