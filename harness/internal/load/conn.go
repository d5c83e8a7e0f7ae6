package load

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// conn is a lean HTTP/1.1 client's connection: it writes prepared bytes and
// reads just what is measured. net/http costs several times the CPU, and a
// generator must not be what limits a run.
type conn struct {
	net   net.Conn
	res   *response
	out   []byte    // the request
	until time.Time // the deadline that is set
	idle  time.Time // since when it has nothing to do
}

func newConn() *conn { return &conn{res: newResponse()} }

// attach gives it a new connection.
func (c *conn) attach(n net.Conn) {
	c.net = n
	c.until = time.Time{}
	c.res.reset(n)
}

// exchange sends what is in c.out and reads the answer into c.res. It ends at
// the deadline, or up to a tenth of the time-out before: setting a deadline
// costs a timer, so it is moved only when it is off by that much.
func (c *conn) exchange(noBody, check bool, deadline time.Time, timeout time.Duration) error {
	if off := deadline.Sub(c.until); off > timeout/10 || off < 0 {
		if err := c.net.SetDeadline(deadline); err != nil {
			return err
		}
		c.until = deadline
	}
	if err := c.unasked(); err != nil {
		return err
	}
	if _, err := c.net.Write(c.out); err != nil {
		return c.early(err, noBody)
	}
	return c.res.read(noBody, check)
}

// lookAfter is how long a connection must have been idle to be looked at before
// it is used again: a look is a system call, and one that has just answered is
// read from in any case.
const lookAfter = time.Millisecond

// unasked tells of bytes that came while no request was under way: an answer
// longer than it said, or one to another client's request. The next answer would
// be taken from them.
func (c *conn) unasked() error {
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

// misled tells whether the answer was another request's, or cannot be told to be
// this one's: what follows on the connection would be, too.
func (e *event) misled() bool { return e.outcome == failure && e.kind == KindMismatch }

// early prefers an answer that came before the server stopped listening to what
// went wrong in sending. It is always checked: what was waiting may be no answer
// to this request.
func (c *conn) early(err error, noBody bool) error {
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

// fill makes the event of an answer, or of the error in its place.
func (e *event) fill(c *conn, err error) {
	e.cache, e.node, e.edge, e.status, e.size = nil, nil, nil, 0, 0
	if err != nil {
		e.verdict = verdict{outcome: failure, kind: kindOf(err)}
		if e.kind == KindMalformed || e.kind == KindOther {
			e.detail = err.Error()
		}
		return
	}
	e.status, e.size, e.cache, e.node, e.edge = c.res.status, c.res.size, c.res.cache, c.res.node, c.res.edge
	e.verdict = e.req.judge(e.id, &c.res.answer)
}
