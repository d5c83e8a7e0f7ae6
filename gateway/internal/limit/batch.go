package limit

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch is how many keys one run of the script handles: Redis serves
// no other client meanwhile, and Lua's unpack has an end.
const maxBatch = 256

// batcher asks one Redis for all rules. While a round trip is under way
// requests gather; the next one asks for all of them at once, each key once
// with the number of requests that wait for it. What is granted goes to them
// in order of arrival.
type batcher struct {
	l      *Limiter
	redis  Redis
	script *redis.Script
	half   time.Duration // for one round trip: a request may have to wait for two
	free   sync.Pool     // of *waiter
	unused chan struct{} // closed by Keep

	mu      sync.Mutex
	closed  bool
	pending []*entry
	wake    chan struct{}

	spare  []*entry // the loop's: the other half of pending's double buffer
	groups []*group
}

// waiter is one request that waits for Redis.
type waiter struct {
	next *waiter
	done chan struct{}
	d    Decision
	err  error
}

// item is one key of a batch: its waiters, taken off the entry.
type item struct {
	e    *entry
	head *waiter
	n    int64
}

// group is the keys of one rule in a batch. snapshot has, for each item, the
// rule's counters as they stood when Redis was asked.
type group struct {
	rule     *Rule
	items    []item
	snapshot []counter
	calls    []*call
}

func (l *Limiter) batcher(r Redis) (*batcher, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	b := l.batchers[r]
	if b == nil {
		b = &batcher{l: l, redis: r, script: redis.NewScript(takeSource), half: l.timeout(r) / 2,
			wake: make(chan struct{}, 1), unused: make(chan struct{})}
		b.free.New = func() any { return &waiter{done: make(chan struct{}, 1)} }
		l.batchers[r] = b
		l.wg.Go(b.loop)
	}
	return b, nil
}

// take waits for Redis' answer to one request: for the rest of the round trip
// under way and for one more.
func (b *batcher) take(e *entry) (Decision, error) {
	w := b.free.Get().(*waiter)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return Decision{}, ErrClosed
	}
	if e.waiting == 0 {
		b.pending = append(b.pending, e)
		e.head = w
	} else {
		e.tail.next = w
	}
	e.tail = w
	e.waiting++
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default: // the loop is awake already, and looks again before it sleeps
	}
	<-w.done
	d, err := w.d, w.err
	w.next, w.err = nil, nil
	b.free.Put(w)
	return d, err
}

func (b *batcher) loop() {
	unused := b.unused
	var over <-chan time.Time
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
		case <-b.wake:
			for b.flush() {
			}
		}
	}
}

func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	for _, g := range b.collect() {
		g.fail(ErrClosed)
	}
}

// flush asks Redis for all waiting requests; false when there were none.
func (b *batcher) flush() bool {
	now := time.Now().UnixMilli()
	groups := b.collect()
	if len(groups) == 0 {
		return false
	}
	var calls []*call
	for _, g := range groups {
		g.prepare(now)
		calls = append(calls, g.calls...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.half)
	err := b.redis.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return runAll(ctx, rdb, b.script, calls)
	})
	cancel()
	b.l.roundTrips.Inc()
	if err != nil {
		b.l.failures.Inc()
	}
	for _, g := range groups {
		failure := err
		if failure == nil {
			failure = g.settle(now)
		}
		if failure != nil {
			g.fail(failure)
		}
	}
	return true
}

// collect takes all waiters off their entries and sorts them by rule.
func (b *batcher) collect() []*group {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := b.pending
	b.pending = b.spare[:0]
	b.spare = entries
	groups := b.groups[:0]
	for _, e := range entries {
		var g *group
		for _, have := range groups { // there are few rules
			if have.rule.id == e.rule.id {
				g = have
			}
		}
		if g == nil {
			g = &group{rule: e.rule}
			groups = append(groups, g)
		}
		g.items = append(g.items, item{e, e.head, e.waiting})
		b.l.batched.Add(float64(e.waiting))
		e.head = nil
		e.tail = nil
		e.waiting = 0
	}
	clear(entries)
	b.groups = groups
	return groups
}

// prepare makes the script's calls.
func (g *group) prepare(now int64) {
	g.snapshot = make([]counter, 0, len(g.items)*len(g.rule.windows))
	for first := 0; first < len(g.items); first += maxBatch {
		items := g.items[first:min(first+maxBatch, len(g.items))]
		c := &call{args: make([]any, 0, 2+3*len(g.rule.windows)+len(items))}
		for i, it := range items {
			it.e.mu.Lock()
			it.e.roll(now)
			c.keys = append(c.keys, it.e.redisNames()...)
			g.snapshot = append(g.snapshot, it.e.counters...)
			it.e.mu.Unlock()
			if i == 0 {
				c.args = g.rule.windowArgs(c.args, g.snapshot[len(g.snapshot)-len(g.rule.windows):], now)
			}
			c.args = append(c.args, it.n)
		}
		g.calls = append(g.calls, c)
	}
}

// windowArgs appends the part of the script's arguments that is the same for
// all keys of a rule.
func (r *Rule) windowArgs(args []any, counters []counter, now int64) []any {
	slides := "0"
	if r.sliding {
		slides = "1"
	}
	args = append(args, len(r.windows), slides)
	for i, c := range counters {
		weight := "0"
		if r.sliding {
			weight = strconv.FormatFloat(c.weight(now), 'g', -1, 64)
		}
		args = append(args, r.windows[i].Limit, r.ttl(&c, now), weight)
	}
	return args
}

// ttl is for how long a counter is of use, in milliseconds from now.
func (r *Rule) ttl(c *counter, now int64) int64 {
	ttl := c.end - now + skewAllowance
	if r.sliding {
		ttl += c.end - c.start
	}
	return max(ttl, 1)
}

// settle reads the replies, notes on every entry what Redis said, and answers
// the waiters. On an error those that have no answer yet are left in items.
func (g *group) settle(now int64) error {
	width := len(g.rule.windows)
	for _, c := range g.calls {
		reply := ints{rest: c.reply}
		for range min(maxBatch, len(g.items)) {
			it, counters := g.items[0], g.snapshot[:width]
			granted := reply.next()
			for i := range counters {
				counters[i].cur = reply.next()
				counters[i].prev = reply.next()
			}
			if reply.err != nil {
				return reply.err
			}
			it.learn(counters, now)
			it.answer(counters, granted, now)
			g.items, g.snapshot = g.items[1:], g.snapshot[width:]
		}
	}
	return nil
}

// learn notes what Redis said, and until when it need not be asked again.
func (it item) learn(counters []counter, now int64) {
	e := it.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range counters {
		if c := &e.counters[i]; c.start == counters[i].start {
			c.cur, c.prev = counters[i].cur, counters[i].prev
		}
	}
	// A request that took its time just before now must not see "free at now" as
	// a time still to come.
	e.until = 0
	if free := e.rule.decision(counters, false, now).free; free > now {
		e.until = free
	}
}

// answer gives the grants out in order of arrival. Each of the granted sees
// the counts as they stood after it.
func (it item) answer(counters []counter, granted, now int64) {
	for i := range counters {
		counters[i].cur -= granted
	}
	for w := it.head; w != nil; {
		allowed := granted > 0
		if allowed {
			granted--
			for i := range counters {
				counters[i].cur++
			}
		}
		next := w.next // after done, w is its owner's again
		w.d = it.e.rule.decision(counters, allowed, now)
		w.done <- struct{}{}
		w = next
	}
}

// fail gives all waiters that are left the error.
func (g *group) fail(err error) {
	for _, it := range g.items {
		for w := it.head; w != nil; {
			next := w.next
			w.err = err
			w.done <- struct{}{}
			w = next
		}
	}
	g.items = nil
}
