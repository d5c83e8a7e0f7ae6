package limit

// share is what this process has let pass of a key while Redis was away, in
// each window: own since starts. The entry's lock guards it.
type share struct {
	own, starts [MaxWindows]int64
	sending     bool // Redis is being told
	owing       bool // in the batcher's list; the batcher's lock
}

// TakeShare decides without Redis, for a rule whose Take has returned an error:
// a replica lets pass its share of what was left when Redis was last heard of,
// that divided by the number of live replicas. Redis is told when it is back.
// The policy must have had Share set.
func (r *Rule) TakeShare(key string) Decision {
	b := r.batch
	now := b.l.now()
	e := b.l.lock(r, key, now)
	defer e.mu.Unlock()
	at := b.clock(e, now)
	b.refund(e.turn(at))
	s := e.share
	d := Decision{Allowed: true, at: at, free: at}
	for i := range e.counters {
		c := &e.counters[i]
		if s.starts[i] != c.start {
			s.starts[i] = c.start
			s.own[i] = 0
		}
		d.left[i] = max(0, c.left(&r.windows[i], r.sliding, at)/b.replicas.Load()-s.own[i])
		d.ends[i] = c.end
		if d.left[i] == 0 {
			d.Allowed = false
			d.free = max(d.free, c.end)
		}
		e.touch(max(c.end, now+redisIdle))
	}
	if d.Allowed {
		for i := range e.counters {
			s.own[i]++
			d.left[i]--
		}
		b.owe(e)
	}
	return d
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
