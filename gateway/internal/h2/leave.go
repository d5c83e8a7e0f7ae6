package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// leaving is how far a connection is on its way to its end (RFC 9113, 6.8): first
// the client is told to begin nothing more, and may still do so until it has heard
// of it; then it is told what was begun last.
type leaving struct {
	announced bool
	by        time.Time // when the second step comes without the client's word
	last      uint32    // the last stream that is answered
	final     bool
}

// drainPing asks whether the client has got the first step.
var drainPing = [8]byte{'d', 'r', 'a', 'i', 'n'}

// drainWait is how long the client may take to say so.
const drainWait = time.Second

// without tells whether a stream has begun too late.
func (l *leaving) without(id uint32) bool { return l.final && id > l.last }

// GoAway has the client send further requests elsewhere. Those that have begun, or
// are on their way, are answered; then the connection ends.
func (c *Conn) GoAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving.announced || c.over {
		return
	}
	c.leaving.announced = true
	c.leaving.by = time.Now().Add(drainWait)
	c.control(func(f *http2.Framer) error { return f.WriteGoAway(everyStream, http2.ErrCodeNo, nil) })
	c.control(func(f *http2.Framer) error { return f.WritePing(false, drainPing) })
	c.alarm.Reset(drainWait)
	c.flushSoon()
}

// leave is the second step. c.mu is held, also by the methods below.
func (c *Conn) leave() {
	l := &c.leaving
	if !l.announced || l.final || c.over {
		return
	}
	c.sayLast(http2.ErrCodeNo)
	c.flushSoon()
	c.mayEnd()
}

// sayLast tells the client which stream is answered last: from then on, no later one is.
func (c *Conn) sayLast(code http2.ErrCode) {
	l := &c.leaving
	if !l.final {
		l.final, l.last = true, c.last
	}
	c.control(func(f *http2.Framer) error { return f.WriteGoAway(l.last, code, nil) })
}

// mayEnd ends a connection that is about to when its last request has been answered.
func (c *Conn) mayEnd() {
	if c.leaving.final && c.open == 0 && c.running == 0 {
		c.finish()
	}
}

// finish has the reader return. What waits is still written.
func (c *Conn) finish() {
	if c.over {
		return
	}
	c.over = true
	c.flushSoon()
	c.transport.Interrupt()
}

// quit ends the connection at once, with a reason.
func (c *Conn) quit(code http2.ErrCode) {
	c.sayLast(code)
	c.finish()
}

// IsIdle tells whether there is no request, and the client has taken all answers.
func (c *Conn) IsIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isIdle()
}

// isIdle: a slow client may still be taking the last answer when its request has ended.
// c.mu is held.
func (c *Conn) isIdle() bool { return c.open == 0 && c.running == 0 && !c.flushing }

// check is the alarm's: it looks at what may have been waited for for too long.
func (c *Conn) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	config, now := &c.server.config, time.Now()
	next := config.Idle
	if !c.settingsBy.IsZero() {
		if !now.Before(c.settingsBy) {
			c.quit(http2.ErrCodeSettingsTimeout)
			return
		}
		next = min(next, c.settingsBy.Sub(now))
	}
	if c.leaving.announced && !c.leaving.final {
		if !now.Before(c.leaving.by) {
			c.leave()
			return
		}
		next = min(next, c.leaving.by.Sub(now))
	}
	if c.isIdle() {
		left := c.idleSince.Add(config.Idle).Sub(now)
		if left <= 0 {
			c.quit(http2.ErrCodeNo)
			return
		}
		next = min(next, left)
	}
	c.alarm.Reset(next)
}
