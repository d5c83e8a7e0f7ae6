package upstream

import (
	"sync"
	"time"
)

// pool keeps idle connections to one target, the last used first.
type pool struct {
	mu     sync.Mutex
	idle   []*conn
	closed bool // no configuration names the target any more
}

// take returns the connection that was used last of those for a TLS server
// name ("" without TLS), or nil. Those that idled too long are closed.
func (p *pool) take(now time.Time, idleFor time.Duration, name string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.idle) - 1
	for i >= 0 && p.idle[i].name != name {
		i--
	}
	if i < 0 {
		return nil
	}
	k := p.idle[i]
	if now.Sub(k.idleAt) <= idleFor {
		p.idle = append(p.idle[:i], p.idle[i+1:]...)
		clear(p.idle[len(p.idle) : len(p.idle)+1])
		k.reused = true
		return k
	}
	// Those that were used before it are too old, too.
	for _, old := range p.idle[:i+1] {
		old.Close()
	}
	p.drop(i + 1)
	return nil
}

// drop forgets the n connections that were used first.
func (p *pool) drop(n int) {
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
}

// put keeps a connection for later, or closes it when there are enough.
// Connections for many server names must not keep out the one that is asked
// for now: of another name, the oldest gives way.
func (p *pool) put(k *conn, most int) {
	k.idleAt = time.Now()
	p.mu.Lock()
	switch {
	case p.closed || most <= 0:
	case len(p.idle) < most:
		p.idle = append(p.idle, k)
		k = nil
	case p.idle[0].name != k.name:
		oldest := p.idle[0]
		p.drop(1)
		p.idle = append(p.idle, k)
		k = oldest
	}
	p.mu.Unlock()
	if k != nil {
		k.Close()
	}
}

// prune closes what idled too long, and what is no longer quiet: it would be
// closed before it is used, but until then the peer waits. It returns how many
// had something to read.
func (p *pool) prune(now time.Time, idleFor time.Duration) (unsolicited int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.idle[:0]
	for _, k := range p.idle {
		state := k.look()
		if state == quiet && now.Sub(k.idleAt) <= idleFor {
			kept = append(kept, k)
			continue
		}
		if state == talking {
			unsolicited++
		}
		k.Close()
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	return unsolicited
}

// close closes what is idle now, and what requests in flight give back later.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, k := range p.idle {
		k.Close()
	}
	p.idle = nil
}
