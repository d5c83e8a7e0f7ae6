package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// What a client's connection is in the middle of. The server's own goroutine
// changes it; Close reads it from others.
const (
	phaseWaiting uint32 = iota // for the first byte of a request
	phaseHeader                // a request's first byte has come; its body, if it has one, has come whole
	phaseBody                  // not all of a request has been read
	phaseTunnel                // the connection was given away: what comes is no HTTP
)

// mostUnpaid bounds what a chunked body may have beside its content (sizes,
// extensions, trailers) before more content has to come.
const mostUnpaid = 512 << 10

var (
	errSlowBody   = fmt.Errorf("the request body comes more slowly than client_body_rate: %w", os.ErrDeadlineExceeded)
	errSlowReader = fmt.Errorf("the response is taken more slowly than client_response_rate: %w", os.ErrDeadlineExceeded)
	errRefused    = errors.New("the upstream has answered before it had the whole request body")
	errOverhead   = errors.New("the chunks of the request body have too much beside their content")
)

// clientConn is a client's connection with all of its time limits. The codec
// sets none itself: it knows one deadline for a whole response, and one for a
// whole request.
//
// A limit is held by lending time: each of the two directions has a credit that
// goes down while the gateway waits for the client, and up with each byte, at
// the least rate that is allowed, but never above the longest pause that is.
// What the gateway itself or the upstream takes costs the client nothing.
type clientConn struct {
	net.Conn              // over TLS, the *tls.Conn
	raw      net.Conn     // that was accepted
	secure   *secureLayer // nil: without TLS
	all      *clients
	accepted time.Time
	port     string   // that it came to; "": unknown
	remote   net.Addr // the client's, by the word of a balancer; nil: the peer's
	phase    atomic.Uint32

	// Of reading; used by the goroutine that serves the connection.
	used       bool      // a request has come on it
	headerSeen bool      // headerBy is set
	headerBy   time.Time // when the header must be here
	readBy     time.Time // the deadline that is set
	readCredit time.Duration
	unpaid     int
	broken     error       // what ended a body before its end
	asked      bool        // the codec has read on since the last request: all of the answers before have left
	pipelined  bool        // they may not have
	refused    atomic.Bool // the rest of the body is not wanted
	drained    bool        // of a tunnel: the codec's reader gives what it has, and reads nothing

	// Of writing.
	writeBy     time.Time
	writeCredit time.Duration
	wroteAt     time.Time

	resumed bool        // taken from the parked, and still counted there
	parking atomic.Bool // the codec lets go of it; it is not closed
	closed  atomic.Bool
	abort   atomic.Bool // Close resets the connection
	abandon atomic.Bool // Close says no goodbye over TLS
}

// Read is net.Conn's, within the limit of what is being read.
func (c *clientConn) Read(b []byte) (int, error) {
	switch c.phase.Load() {
	case phaseWaiting:
		return c.readFirst(b)
	case phaseHeader:
		return c.readHeader(b)
	case phaseBody:
		return c.readBody(b)
	}
	if c.drained {
		return 0, socket.ErrNothing
	}
	return c.Conn.Read(b)
}

// readFirst waits for a request. After a while it has the codec let go of the
// connection, with its buffers: see clients.park.
func (c *clientConn) readFirst(b []byte) (int, error) {
	c.asked = true
	since := c.wroteAt // has just been asked from the clock
	if err := c.readWithin(since, min(parkAfter, c.patience())); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if isTimeout(err) && c.beganRecord() {
		return c.readFirstRecord(b)
	}
	if n > 0 {
		c.progress(n)
		return n, nil
	}
	if !isTimeout(err) {
		return 0, io.EOF // a client that has asked for nothing may go as it likes
	}
	if parkAfter < c.patience() && c.canPark() {
		c.parking.Store(true)
		c.all.parked.Add(1)
	} else {
		c.all.metrics.idle.Inc()
	}
	return 0, io.EOF // for which the codec answers nothing
}

// readFirstRecord reads on where a part of a TLS record has come: whatever is in
// it, it has as long as a header.
func (c *clientConn) readFirstRecord(b []byte) (int, error) {
	c.readBy = time.Now().Add(c.all.bounds.header)
	if err := c.Conn.SetReadDeadline(c.readBy); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	c.progress(n)
	if isTimeout(err) {
		c.all.metrics.header.Inc()
	}
	if n > 0 {
		return n, nil
	}
	return 0, io.EOF
}

// patience is how long a request is waited for.
func (c *clientConn) patience() time.Duration {
	if c.used {
		return c.all.bounds.idle
	}
	return c.all.bounds.header
}

// readHeader reads what the first packet did not hold of a header. It has one
// deadline, which no byte renews.
func (c *clientConn) readHeader(b []byte) (int, error) {
	if !c.headerSeen {
		c.headerSeen, c.headerBy = true, time.Now().Add(c.all.bounds.header)
		c.readBy = c.headerBy
		if err := c.Conn.SetReadDeadline(c.headerBy); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(b)
	c.progress(n)
	if isTimeout(err) {
		c.all.metrics.header.Inc()
	}
	return n, err
}

// readBody reads within the longest pause and at the least rate. An end of the
// connection is never the end of a body: all have a length or a last chunk.
func (c *clientConn) readBody(b []byte) (int, error) {
	bounds := &c.all.bounds
	for c.readCredit > 0 && c.broken == nil {
		now, wait := time.Now(), c.readCredit
		if c.secure != nil { // looked at several times: a record that is on its way is progress
			wait = min(wait, bounds.body/4+1)
		}
		if err := c.readWithin(now, wait); err != nil {
			return 0, err
		}
		if c.refused.Load() { // looked at behind the deadline, which may have overwritten interrupt's
			c.broken = errRefused
			break
		}
		n, err := c.Conn.Read(b)
		c.readCredit = credit(c.readCredit, bounds.body, bounds.bodyRate, time.Since(now), c.progress(n))
		if c.unpaid += n; c.unpaid > mostUnpaid {
			c.broken = errOverhead
			break
		}
		switch {
		case n > 0 || err == nil:
			return n, nil
		case errors.Is(err, io.EOF):
			c.broken = io.ErrUnexpectedEOF
		case !isTimeout(err):
			c.broken = err
		case c.refused.Load():
			c.broken = errRefused
		}
	}
	if c.broken == nil {
		c.broken = errSlowBody
		c.all.metrics.body.Inc()
	}
	return 0, c.broken
}

// interrupt ends a read of a body: what is left of it is not wanted. Other
// goroutines may call it.
func (c *clientConn) interrupt() {
	c.refused.Store(true)
	_ = c.Conn.SetReadDeadline(longAgo)
}

// longAgo is a deadline that ends a read under way.
var longAgo = time.Unix(1, 0)

// readWithin sets the read deadline, unless the one that is set is as good: to
// set it costs as much as a hundred lines of code.
func (c *clientConn) readWithin(now time.Time, d time.Duration) error {
	if left := c.readBy.Sub(now); left <= d && left > d-d/4 {
		return nil
	}
	c.readBy = now.Add(d)
	return c.Conn.SetReadDeadline(c.readBy)
}

// credit is what is left after a wait that brought n bytes.
func credit(left, most time.Duration, rate int64, waited time.Duration, n int) time.Duration {
	switch {
	case rate > 0:
		left += time.Duration(n) * time.Second / time.Duration(rate)
	case n > 0:
		left = most + waited
	}
	return min(left-waited, most)
}

// begin notes that a request has begun to come.
func (c *clientConn) begin() {
	c.used, c.headerSeen = true, false
	c.asked, c.pipelined = false, !c.asked
	c.resume()
	c.phase.Store(phaseHeader)
}

// wait notes that a response has been sent.
func (c *clientConn) wait() {
	c.phase.Store(phaseWaiting)
	if c.refused.Load() { // of a body that came whole nevertheless
		c.refused.Store(false)
		c.readBy = time.Time{}
	}
}

// SetReadDeadline is net.Conn's. The codec sets one where a request has a body,
// before it reads the first of it.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	switch c.phase.Load() {
	case phaseTunnel:
		return c.Conn.SetReadDeadline(t)
	case phaseHeader:
		c.readCredit = c.all.bounds.body
		c.unpaid = 0
		c.broken = nil
		c.phase.Store(phaseBody)
	}
	return nil
}

// SetWriteDeadline is net.Conn's; Write sets its own.
func (c *clientConn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is net.Conn's; the codec takes all deadlines off a connection
// that it gives away.
func (c *clientConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// paid notes content of a body.
func (c *clientConn) paid(n int) {
	// As many chunks of a single byte as one likes may come, of the usual form.
	c.unpaid = max(0, c.unpaid-17*n)
}

// whole notes that a body has been read to its end.
func (c *clientConn) whole() { c.phase.CompareAndSwap(phaseBody, phaseHeader) }

// giveAway makes the connection one that the codec does not read any more.
func (c *clientConn) giveAway() {
	c.phase.Store(phaseTunnel)
	_ = c.Conn.SetReadDeadline(time.Time{})
}

// CloseWrite ends the direction to the client.
func (c *clientConn) CloseWrite() error {
	if c.secure != nil {
		_ = c.secure.conn.CloseWrite() // which is only said, by TLS
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.raw.Close()
}

// SyscallConn is syscall.Conn's.
func (c *clientConn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.raw.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// Close is net.Conn's. See clients.linger for what it does to a client that may
// still be sending.
func (c *clientConn) Close() error {
	if c.parking.Load() || c.closed.Swap(true) {
		return nil
	}
	c.all.open.Add(-1)
	switch {
	case c.abort.Load():
		c.reset()
		return c.raw.Close() // TLS must not say that this was all
	case c.abandon.Load():
		return c.raw.Close()
	case c.mayBeSending() && c.all.linger(c):
		return nil
	}
	return c.Conn.Close()
}

// mayBeSending tells whether the client has sent what was not read, or will.
// Closing such a connection resets it, and the client may never see what
// it was answered.
func (c *clientConn) mayBeSending() bool {
	switch c.phase.Load() {
	case phaseBody:
		return true
	case phaseHeader:
		return pending(c)
	}
	return false
}

// reset has Close reset the connection, so that the client cannot take what it
// has got for all there is.
func (c *clientConn) reset() {
	if tcp, ok := c.raw.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
