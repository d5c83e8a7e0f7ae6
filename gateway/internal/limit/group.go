package limit

// group is what one round trip asks and gives back of one rule.
type group struct {
	rule  *Rule
	items []item
	calls []*call
}

// item is one key of a round trip: its waiters, taken off the entry, or a
// refund.
type item struct {
	e    *entry
	head *waiter
	n    int64 // waiters
	want int64 // permits to hold beyond theirs

	refund *refund
	spent  int64             // permits of the lease that were used
	starts [MaxWindows]int64 // of the lease's windows
}

func (g *group) add(it item) { g.items = append(g.items, it) }

// prepare makes the script's calls.
func (g *group) prepare(b *batcher, now int64) {
	at := now + b.ahead.Load()
	asked := g.items[:0]
	for i := range g.items {
		if it := &g.items[i]; it.refund != nil || it.prepare(b, now) {
			asked = append(asked, *it)
		}
	}
	g.items = asked
	width, most := len(g.rule.windows), maxBatch
	if b.spread {
		most = 1
	}
	for first := 0; first < len(g.items); first += most {
		items := g.items[first:min(first+most, len(g.items))]
		c := &call{keys: make([]string, 0, len(items)), args: make([]any, 0, 4+6*width+len(items))}
		c.args = g.rule.windowArgs(c.args, b.replicas.Load(), at)
		for i := range items {
			c.keys = append(c.keys, items[i].e.redisName())
			c.args = append(c.args, items[i].arg(width))
		}
		g.calls = append(g.calls, c)
	}
}

// arg is what the script is told of an item.
func (it *item) arg(width int) any {
	f := it.refund
	if f == nil && it.want == 0 && it.spent == 0 {
		return it.n
	}
	var room [12 * (4 + MaxWindows)]byte
	b := appendInt(room[:0], it.n)
	spent, back := it.spent, int64(0)
	starts := &it.starts
	if f != nil {
		spent, back = f.spent, f.back
		starts = &f.starts
	}
	for _, n := range []int64{it.want, spent, back} {
		b = appendInt(append(b, ' '), n)
	}
	for _, start := range starts[:width] {
		b = appendInt(append(b, ' '), start)
	}
	return string(b)
}

// prepare answers waiters from a lease that has come since they began to wait,
// and notes what is asked for the others; false if nothing is.
func (it *item) prepare(b *batcher, now int64) bool {
	e := it.e
	e.mu.Lock()
	defer e.mu.Unlock()
	at := b.clock(e, now)
	b.refund(e.turn(at))
	for i := range e.counters {
		it.starts[i] = e.counters[i].start
	}
	l := e.lease
	if l == nil {
		return true
	}
	for l.left > 0 && it.head != nil {
		w := it.head
		it.head = w.next
		it.n--
		w.d = e.spend(at)
		w.done <- struct{}{}
	}
	if it.n == 0 && !l.refilling {
		return false
	}
	it.want = l.want(e.rule.leases, it.n, now)
	if it.n == 0 && it.want == 0 {
		l.refilling = false
		return false
	}
	it.spent = l.spent
	l.spent = 0
	return true
}

// windowArgs appends the part of the script's arguments that is the same for
// all keys of a rule.
func (r *Rule) windowArgs(args []any, replicas, at int64) []any {
	slides := "0"
	if r.sliding {
		slides = "1"
	}
	args = append(args, len(r.windows), slides, replicas, skewAllowance)
	for i := range r.windows {
		w := &r.windows[i]
		args = append(args, w.Limit, w.Size.Milliseconds())
		if w.Months == 0 {
			args = append(args, w.Burst, 0, 0, 0)
			continue
		}
		start, end := w.bounds(at)
		before, _ := w.bounds(start - 1)
		_, after := w.bounds(end)
		args = append(args, before, start, end, after)
	}
	return args
}

// settle reads the replies, notes on every entry what Redis said, and answers
// the waiters. now is when Redis was asked. On an error those that have no
// answer are left in items.
func (g *group) settle(b *batcher, now int64) (failure error) {
	counters := make([]counter, len(g.rule.windows))
	held := make([]int64, len(counters))
	var failed []item
	defer func() { g.items = append(failed, g.items...) }()
	for _, c := range g.calls {
		if c.err != nil {
			failure = c.err
			failed = append(failed, g.items[:len(c.keys)]...)
			g.items = g.items[len(c.keys):]
			continue
		}
		reply := ints{rest: c.reply}
		at := reply.next()
		for range c.keys {
			it := g.items[0]
			granted := reply.next()
			for i := range counters {
				k := &counters[i]
				k.start, k.cur = reply.next(), reply.next()
				k.prev, held[i] = reply.next(), reply.next()
				if w := &g.rule.windows[i]; w.Burst > 0 {
					k.end = w.filledTo(k, 0, at)
				} else {
					_, k.end = w.bounds(k.start)
				}
			}
			if reply.err != nil {
				return reply.err
			}
			b.heard(it.e, at-now)
			switch {
			case it.refund == nil:
				it.learn(b, counters, held, granted, now, at)
				it.answer(counters, granted, at)
			case it.refund.debt:
				b.told(it.refund, true)
			}
			g.items = g.items[1:]
		}
	}
	return failure
}

// learn notes what Redis said at its time at, takes the lease, and notes until
// when Redis need not be asked again. It leaves in counters what is used.
func (it *item) learn(b *batcher, counters []counter, held []int64, granted, now, at int64) {
	e := it.e
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := int64(0)
	if l := e.lease; l != nil {
		for i := range counters {
			if l.left > 0 && e.counters[i].start != counters[i].start {
				b.refund(e.giveBack(l.left))
			}
		}
		extra := granted - min(granted, it.n)
		l.left += extra
		l.size = l.left
		l.short = extra < it.want
		l.refilling = false
		if l.left > 0 && !l.held {
			l.held = true
			l.used, l.reviewed = 0, now
			b.held = append(b.held, e)
		}
		b.l.leased.Add(float64(extra))
		kept = l.left
	}
	for i := range counters {
		counters[i].cur -= kept
	}
	copy(e.counters, counters)
	if e.share != nil {
		e.share.count(counters, min(granted, it.n))
	}
	e.until = 0
	if granted > 0 {
		e.retry = 0
	}
	if kept == 0 {
		e.until = e.blockedUntil(held, at)
	}
}

// blockedUntil is until when a key that Redis has no permits for need not be
// asked for: what other replicas hold may be given back before its window ends.
// The caller holds mu.
func (e *entry) blockedUntil(held []int64, at int64) int64 {
	until := int64(0)
	for i := range e.counters {
		c, w := &e.counters[i], &e.rule.windows[i]
		free := c.freeAt(w, e.rule.sliding, at)
		if free > at && held[i] > 0 {
			e.retry = min(max(firstRetry, 2*e.retry), lastRetry)
			free = min(free, at+e.retry)
		}
		until = max(until, free)
	}
	if until <= at {
		// A request that took its time just before now must not see "free at now" as
		// a time still to come.
		return 0
	}
	return until
}

// answer gives the grants out in order of arrival. Each of the granted sees
// the counts as they stood after it.
func (it *item) answer(counters []counter, granted, at int64) {
	granted = min(granted, it.n)
	for i := range counters {
		counters[i].cur -= granted * it.e.rule.windows[i].unit()
	}
	for w := it.head; w != nil; {
		allowed := granted > 0
		if allowed {
			granted--
			for i := range counters {
				counters[i].cur += it.e.rule.windows[i].unit()
			}
		}
		next := w.next // after done, w is its owner's again
		w.d = it.e.rule.decision(counters, allowed, at)
		w.done <- struct{}{}
		w = next
	}
}

// fail gives all waiters that are left the error; refunds stay. What Redis may
// have granted nevertheless is lost: to ask for it back could give back too much.
func (g *group) fail(b *batcher, err error) {
	kept := g.items[:0]
	for _, it := range g.items {
		if it.refund != nil {
			if it.refund.debt {
				b.told(it.refund, false)
			}
			kept = append(kept, it)
			continue
		}
		if l := it.e.lease; l != nil {
			it.e.mu.Lock()
			l.refilling = false
			l.short = true
			it.e.mu.Unlock()
		}
		for w := it.head; w != nil; {
			next := w.next
			w.err = err
			w.done <- struct{}{}
			w = next
		}
	}
	g.items = kept
}
