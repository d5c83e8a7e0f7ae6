package engine

import (
	"sync"
	"time"
)

// eventTable holds the events between RoundTrip and the consumer, by number.
type eventTable struct {
	parts [16]struct {
		sync.Mutex
		m map[uint64]*pendingEvent
	}
	pool sync.Pool
}

func (s *eventTable) put(seq uint64, e *pendingEvent) {
	p := &s.parts[seq%uint64(len(s.parts))]
	p.Lock()
	if p.m == nil {
		p.m = map[uint64]*pendingEvent{}
	}
	p.m[seq] = e
	p.Unlock()
}

func (s *eventTable) get(seq uint64) *pendingEvent {
	p := &s.parts[seq%uint64(len(s.parts))]
	p.Lock()
	defer p.Unlock()
	e := p.m[seq]
	delete(p.m, seq)
	return e
}

func (s *eventTable) fresh() *pendingEvent {
	if e, ok := s.pool.Get().(*pendingEvent); ok {
		return e
	}
	return &pendingEvent{}
}

func (s *eventTable) free(e *pendingEvent) { s.pool.Put(e) }

// pool keeps an open attack's connections, the one used last on top: so few are
// in use, and those that a burst opened grow old together.
type pool struct {
	dialer *dialer
	mu     sync.Mutex
	idle   []*conn
	spare  []*conn // without a connection, for their buffers
}

func newPool(d *dialer) *pool { return &pool{dialer: d} }

// take is a connection, or one whose net is nil and must be dialed.
func (p *pool) take(anew bool) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 && !anew {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c
	}
	if n := len(p.spare); n > 0 {
		c := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return c
	}
	return newConn()
}

func (p *pool) give(c *conn) {
	c.idle = time.Now()
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
}

// drop ends a connection; one that is givenUp was in the middle of an exchange.
func (p *pool) drop(c *conn, givenUp bool) {
	if c.net != nil {
		p.dialer.close(c.net, givenUp)
		c.net = nil
	}
	p.mu.Lock()
	p.spare = append(p.spare, c)
	p.mu.Unlock()
}
