package engine

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// conn is a lean HTTP/1.1 client's connection: it writes prepared bytes and
// reads just what is measured. net/http costs several times the CPU, and a
// generator must not be what limits a run.
type conn struct {
	net   net.Conn
	res   *responseReader
	out   []byte    // the request
	until time.Time // the deadline that is set
	idle  time.Time // since when it has nothing to do

	socket *websocket.Conn // over net; nil: HTTP
	echo   bytes.Buffer    // the last message that came on it
}

func newConn() *conn { return &conn{res: newResponseReader()} }

// attach gives it a new connection.
func (c *conn) attach(n net.Conn) {
	c.net = n
	c.socket = nil
	c.until = time.Time{}
	c.res.reset(n)
}

// within ends an exchange at a deadline, or up to a tenth of the time-out before:
// setting a deadline costs a timer, so it is moved only when it is off by that
// much.
func (c *conn) within(deadline time.Time, timeout time.Duration) error {
	if off := deadline.Sub(c.until); off <= timeout/10 && off >= 0 {
		return nil
	}
	if err := c.net.SetDeadline(deadline); err != nil {
		return err
	}
	c.until = deadline
	return nil
}

// exchange sends what is in c.out and reads the response into c.res, within a
// deadline.
func (c *conn) exchange(noBody, check bool, deadline time.Time, timeout time.Duration) error {
	if err := c.within(deadline, timeout); err != nil {
		return err
	}
	if err := c.checkIdle(); err != nil {
		return err
	}
	if _, err := c.net.Write(c.out); err != nil {
		return c.earlyResponse(err, noBody)
	}
	return c.res.read(noBody, check)
}

// lookAfter is how long a connection must have been idle to be examined before
// it is used again: a look is a system call, and one that has just responded is
// read from in any case.
const lookAfter = time.Millisecond

// checkIdle fails if bytes came while no request was under way: the rest of a
// response that is longer than announced, or a response to another client. They
// would be taken for the next response.
func (c *conn) checkIdle() error {
	if c.idle.IsZero() || time.Since(c.idle) < lookAfter {
		return nil
	}
	s, ok := c.net.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	n := 0
	if err := raw.Read(func(fd uintptr) bool {
		var b [1]byte
		// An end, or an error, is for the exchange to find.
		n, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: bytes on an idle connection", errMalformed)
	}
	return nil
}

// mismatched tells whether the response may belong to another request: those that
// follow on the connection may, too.
func (e *event) mismatched() bool { return e.outcome == failure && e.kind == load.KindMismatch }

// earlyResponse prefers a response that came before the server stopped listening to what
// went wrong in sending. It is always checked: what was waiting may be no response
// to this request.
func (c *conn) earlyResponse(err error, noBody bool) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	if c.res.read(noBody, true) == nil {
		c.res.close = true
		return nil
	}
	return err
}

// fill makes the event of a response, or of the error in its place.
func (e *event) fill(c *conn, err error) {
	e.cache = nil
	e.node = nil
	e.edge = nil
	e.status = 0
	e.size = 0
	e.events = 0
	if err != nil {
		e.verdict = verdict{outcome: failure, kind: kindOf(err)}
		switch e.kind {
		case load.KindMalformed, load.KindOther, load.KindTLS, load.KindMismatch:
			e.detail = err.Error()
		}
		return
	}
	e.status = c.res.status
	e.size = c.res.size
	e.events, e.first = c.res.events, c.res.first
	e.cache = c.res.cache
	e.node = c.res.node
	e.edge = c.res.edge
	e.verdict = e.req.judge(e.id, &c.res.response)
}
