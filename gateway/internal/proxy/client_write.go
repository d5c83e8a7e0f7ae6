package proxy

import (
	"errors"
	"io"
	"sync"
	"time"
)

// Write is net.Conn's. It ends when the client takes nothing for too long, or
// less than it must; a response may take as long as it has something to send.
func (c *clientConn) Write(b []byte) (int, error) {
	bounds, now := &c.all.bounds, time.Now()
	// Looked at several times within the pause: what was taken at the beginning
	// of a long wait must not count at its end.
	step := bounds.write / 4
	for done := 0; ; {
		wait := min(step, c.writeCredit)
		if left := c.writeBy.Sub(now); left > wait || left <= wait/2 {
			c.writeBy = now.Add(wait)
			if err := c.Conn.SetWriteDeadline(c.writeBy); err != nil {
				return done, err
			}
		}
		n, err := c.Conn.Write(b[done:])
		done += n
		c.wroteAt = time.Now()
		c.writeCredit = credit(c.writeCredit, bounds.write, bounds.writeRate, c.wroteAt.Sub(now), n)
		if err == nil || !isTimeout(err) {
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

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
