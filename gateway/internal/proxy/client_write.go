package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Write is net.Conn's. It ends when the client takes nothing for too long, or
// less than it must; a response may take as long as it has something to send.
func (c *clientConn) Write(b []byte) (int, error) {
	if c.secure != nil {
		return c.secure.conn.Write(b) // comes back as writePaced to the connection below
	}
	return c.writePaced(c.raw, b, 0)
}

// writePaced is Write on the connection that was accepted. It ends also at a
// moment, in Unix nanoseconds; 0: at none.
func (c *clientConn) writePaced(to net.Conn, b []byte, until int64) (int, error) {
	bounds, now := &c.all.bounds, time.Now()
	// Looked at several times within the pause: what was taken at the beginning
	// of a long wait must not count at its end.
	step := bounds.write / 4
	for done := 0; ; {
		wait := min(step, c.writeCredit)
		if until != 0 {
			wait = min(wait, time.Duration(until-now.UnixNano()))
		}
		if left := c.writeBy.Sub(now); left > wait || left <= wait/2 {
			c.writeBy = now.Add(wait)
			if err := to.SetWriteDeadline(c.writeBy); err != nil {
				return done, err
			}
		}
		n, err := to.Write(b[done:])
		done += n
		c.wroteAt = time.Now()
		c.writeCredit = credit(c.writeCredit, bounds.write, bounds.writeRate, c.wroteAt.Sub(now), n)
		if err == nil || !isTimeout(err) || until != 0 && c.wroteAt.UnixNano() >= until {
			return done, err
		}
		if c.writeCredit <= 0 {
			c.all.metrics.write.Inc()
			c.abort.Store(true) // what it has not taken is not for the kernel to keep
			return done, errSlowReader
		}
		now = c.wroteAt
	}
}

// ReadFrom is io.ReaderFrom's: the codec's writer sends a body with it that it
// would collect in its buffer else, however slowly it comes.
func (c *clientConn) ReadFrom(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for sent := int64(0); ; {
		n, err := r.Read(*buf)
		if n > 0 {
			n, werr := c.Write((*buf)[:n])
			sent += int64(n)
			if werr != nil {
				return sent, werr
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return sent, nil
		case err != nil:
			return sent, err
		}
	}
}

const copyBufferSize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, copyBufferSize); return &b }}
