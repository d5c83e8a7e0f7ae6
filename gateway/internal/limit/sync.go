package limit

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

type syncerKey struct {
	redis  Redis
	period time.Duration
}

// syncer exchanges counts with one Redis every period: what this process
// counted goes there, what all counted together comes back. Between two
// exchanges each replica decides by what it knows, so all together may grant
// more than the limit, by at most what the others grant within a period.
type syncer struct {
	l      *Limiter
	redis  Redis
	period time.Duration
	script *redis.Script
	unused chan struct{} // closed by Keep

	mu     sync.Mutex
	marked []*entry // have counted since the last exchange
}

func (l *Limiter) syncer(r Redis, period time.Duration) (*syncer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	key := syncerKey{r, period}
	s := l.syncers[key]
	if s == nil {
		s = &syncer{l: l, redis: r, period: period, script: redis.NewScript(exchangeSource), unused: make(chan struct{})}
		l.syncers[key] = s
		l.wg.Go(s.loop)
	}
	return s, nil
}

// mark says that e has counted.
func (s *syncer) mark(e *entry) {
	s.mu.Lock()
	if !e.marked {
		e.marked = true
		s.marked = append(s.marked, e)
	}
	s.mu.Unlock()
}

func (s *syncer) loop() {
	tick := time.NewTicker(s.period)
	defer tick.Stop()
	unused := s.unused
	var over <-chan time.Time
	for {
		select {
		case <-s.l.ctx.Done():
			s.exchange()
			return
		case <-unused:
			unused, over = nil, time.After(s.l.cfg.RetireAfter)
		case <-over:
			s.exchange()
			return
		case <-tick.C:
			s.exchange()
		}
	}
}

// part is one counter's share of an exchange.
type part struct {
	e        *entry
	window   int
	previous bool
	start    int64 // of the window the count belongs to
	sent     int64
}

// exchange sends all that was counted. What could not be sent is kept for the
// next time.
func (s *syncer) exchange() {
	s.mu.Lock()
	entries := s.marked
	s.marked = nil
	for _, e := range entries {
		e.marked = false
	}
	s.mu.Unlock()
	for first := 0; first < len(entries); first += maxBatch {
		s.send(entries[first:min(first+maxBatch, len(entries))])
	}
}

func (s *syncer) send(entries []*entry) {
	now := time.Now().UnixMilli()
	all := &call{}
	var parts []part
	for _, e := range entries {
		parts = e.outgoing(all, parts, now)
	}
	calls := []*call{all}
	if spread(s.redis) {
		calls = all.split()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.l.timeout(s.redis))
	defer cancel()
	s.l.roundTrips.Inc()
	err := s.redis.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return runAll(ctx, rdb, s.script, calls)
	})
	for _, c := range calls {
		if c.err == nil {
			c.err = err
		}
		reply := ints{rest: c.reply}
		for range c.keys {
			total := int64(0)
			if c.err == nil {
				total = reply.next()
				c.err = reply.err
			}
			parts[0].settle(total, c.err == nil)
			parts = parts[1:]
		}
		err = cmp.Or(err, c.err)
	}
	if err != nil {
		s.l.failures.Inc()
		for _, e := range entries {
			s.mark(e)
		}
	}
}

// split makes a call of each key.
func (c *call) split() []*call {
	calls := make([]*call, len(c.keys))
	for i, key := range c.keys {
		calls[i] = &call{keys: []string{key}, args: c.args[2*i : 2*i+2]}
	}
	return calls
}

// outgoing takes the entry's counts to send and appends them to the call.
func (e *entry) outgoing(c *call, parts []part, now int64) []part {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roll(now)
	c.keys = append(c.keys, e.redisNames()...)
	for i := range e.counters {
		k := &e.counters[i]
		c.args = append(c.args, k.delta, e.rule.ttl(k, now))
		parts = append(parts, part{e, i, false, k.start, k.delta})
		k.delta = 0
		if e.rule.sliding {
			c.args = append(c.args, k.prevDelta, e.rule.ttl(k, now))
			parts = append(parts, part{e, i, true, k.start - (k.end - k.start), k.prevDelta})
			k.prevDelta = 0
		}
	}
	return parts
}

// ttl is for how long a counter is of use, in milliseconds from now.
func (r *Rule) ttl(c *counter, now int64) int64 {
	ttl := c.end - now + skewAllowance
	if r.sliding {
		ttl += c.end - c.start
	}
	return max(ttl, 1)
}

// settle takes over the total, or puts back what was not sent. The window may
// have become the previous one meanwhile, or be over.
func (p part) settle(total int64, ok bool) {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	c := &p.e.counters[p.window]
	count, delta := &c.cur, &c.delta
	switch {
	case p.start == c.start:
	case p.start == c.start-(c.end-c.start) && p.e.rule.sliding:
		count, delta = &c.prev, &c.prevDelta
	default:
		return
	}
	if ok {
		*count = total + *delta
	} else {
		*delta += p.sent
	}
}
