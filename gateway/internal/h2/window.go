package h2

import (
	"math"

	"golang.org/x/net/http2"
)

// inflow is how much a client may send: of one stream, or of all.
type inflow struct {
	left int // bytes
	due  int // bytes that have been used up, and of which the client has not been told
	size int
}

func newInflow(size int) inflow { return inflow{left: size, size: size} }

func (w *inflow) take(n int) bool {
	if n > w.left {
		return false
	}
	w.left -= n
	return true
}

// give makes room again. It returns what the client is to be told: a quarter of the
// window at a time, so that most requests need no frame for it.
func (w *inflow) give(n int) (tell int) {
	w.due += n
	if w.due < w.size/4 {
		return 0
	}
	tell = w.due
	w.left, w.due = w.left+tell, 0
	return tell
}

// giveBack makes room for n bytes of bodies. c.mu is held.
func (c *Conn) giveBack(n int) { c.tellWindow(0, c.inflow.give(n)) }

func (c *Conn) tellWindow(id uint32, n int) {
	if n > 0 {
		c.control(func(f *http2.Framer) error { return f.WriteWindowUpdate(id, uint32(n)) }) //nolint:gosec // of a window at most
	}
}

// outflow is how much the client takes; below 0 after a change of its settings.
type outflow int64

// add returns false for a window beyond the largest that there is.
func (w *outflow) add(n int64) bool {
	*w += outflow(n)
	return *w <= math.MaxInt32
}

// room is how many of n bytes a stream may send now. c.mu is held.
func (c *Conn) room(s *Stream, n int) int {
	if c.pending() >= mostPending {
		return 0
	}
	most := min(int64(c.outflow), int64(s.outflow), int64(c.frameSize), int64(n))
	return int(max(most, 0))
}

// enqueue: blocked are the streams that have something to send and no room for it. Each gets
// a frame's worth in turn where the connection's window is what they lack.
func (c *Conn) enqueue(s *Stream) {
	if !s.queued {
		s.queued = true
		c.blocked = append(c.blocked, s)
	}
}

// wakeBlocked wakes the first of those that could send; it wakes the next when it has.
func (c *Conn) wakeBlocked() {
	for i, s := range c.blocked {
		if c.broken == nil && !s.closed && c.room(s, 1) == 0 {
			continue
		}
		c.blocked = append(c.blocked[:i], c.blocked[i+1:]...)
		c.blocked[:len(c.blocked)+1][len(c.blocked)] = nil
		s.queued = false
		wake(s.writable)
		return
	}
}

// unblock takes a stream off that does not wait any more.
func (c *Conn) unblock(s *Stream) {
	if !s.queued {
		return
	}
	s.queued = false
	for i, other := range c.blocked {
		if other == s {
			c.blocked = append(c.blocked[:i], c.blocked[i+1:]...)
			c.blocked[:len(c.blocked)+1][len(c.blocked)] = nil
			return
		}
	}
}

// wake has who waits on the channel look again. Who holds the lock until it waits misses nothing.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
