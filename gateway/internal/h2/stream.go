package h2

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var (
	// ErrTimeout says that a client did not send, or take, anything for as long as
	// it may.
	ErrTimeout = os.ErrDeadlineExceeded
	// ErrStopped says that what is left of a body is not wanted.
	ErrStopped = errors.New("the body is not wanted any more")

	errAnswered = errors.New("the request has been answered")
	errSpoilt   = errors.New("the stream has been reset")
)

var zeroTime time.Time

// Stream is a request and its answer. One goroutine writes the answer; another one
// may read the body meanwhile, and still when the answer has ended.
type Stream struct {
	Request
	conn   *Conn
	id     uint32
	gone   atomic.Bool
	fields *fieldList

	// The connection's lock guards all below.
	readable    chan struct{} // what a reader waits for may have come; nil: none has waited yet
	writable    chan struct{}
	closed      bool
	remoteEnded bool // the client has sent everything
	localEnded  bool // everything has been sent to the client
	stopped     bool
	queued      bool
	outflow     outflow
	inflow      inflow
	received    int64 // bytes of the body
	body        buffer
	trailers    []hpack.HeaderField
	failure     error // of the body, once the stream is closed
}

func (c *Conn) newStream(id uint32, r Request, ended bool) *Stream {
	return &Stream{
		Request: r, conn: c, id: id, remoteEnded: ended, outflow: c.streamOutflow, inflow: newInflow(c.server.config.StreamWindow),
	}
}

// Gone tells whether nobody takes the answer any more: the client has taken the
// request back, or gone.
func (s *Stream) Gone() bool { return s.gone.Load() }

// Trailers are the fields behind the body, once that has been read to its end.
func (s *Stream) Trailers() []hpack.HeaderField {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.trailers
}

// Stop ends a Read under way, and all that follow: the rest of the body is not
// wanted. Any goroutine may call it.
func (s *Stream) Stop() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.stopped = true
	wake(s.readable)
}

// Read reads from the body. It waits for the client as long as it may, and tells
// how long it did.
func (s *Stream) Read(p []byte, most time.Duration) (n int, waited time.Duration, err error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		n, err = s.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			c.flushSoon()
			return n, waited, err
		}
		if s.expects {
			s.sendInterim(100, nil)
		}
		if waited >= most {
			return 0, waited, ErrTimeout
		}
		c.flushSoon()
		waited += c.wait(&s.readable, most-waited)
	}
}

// take reads what has come. Nothing and no error is that there is nothing yet.
func (s *Stream) take(p []byte) (int, error) {
	switch {
	case s.stopped:
		return 0, ErrStopped
	case s.failure != nil:
		return 0, s.failure
	case s.body.len() == 0 && s.remoteEnded:
		return 0, io.EOF
	}
	n := s.body.read(p)
	s.conn.giveBack(n)
	if !s.remoteEnded {
		s.conn.tellWindow(s.id, s.inflow.give(n))
	}
	return n, nil
}

// wait releases the lock until something has happened, or for a time.
func (c *Conn) wait(on *chan struct{}, most time.Duration) time.Duration {
	if *on == nil {
		*on = make(chan struct{}, 1)
	}
	happened := *on
	c.mu.Unlock()
	defer c.mu.Lock()
	began := time.Now()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-happened:
	case <-timer.C:
	}
	return time.Since(began)
}

// fits tells whether a body is not longer than announced, and not shorter at its end.
func (s *Stream) fits(ended bool) bool {
	return s.Length < 0 || s.received == s.Length || s.received < s.Length && !ended
}

// close ends a stream for both sides. c.mu is held, also by the methods below.
func (c *Conn) close(s *Stream, why error) {
	if s.closed {
		return
	}
	s.closed = true
	c.open--
	whole := s.localEnded && s.remoteEnded && s.body.len() == 0
	if s.failure == nil && !whole { // who reads on must not take a part for the whole
		s.failure = why
	}
	c.giveBack(s.body.len())
	s.body = buffer{}
	if s.queued {
		c.unblock(s)
	}
	wake(s.readable)
	wake(s.writable)
	c.mayEnd()
}

// abandon closes a stream whose client has gone away from it.
func (c *Conn) abandon(s *Stream, why error) {
	if !s.closed {
		s.gone.Store(true)
	}
	c.close(s, why)
}

// reset tells the client that the stream is closed.
func (c *Conn) reset(s *Stream, code http2.ErrCode) {
	if s.closed {
		return
	}
	c.control(func(f *http2.Framer) error { return f.WriteRSTStream(s.id, code) })
	c.resets.note(s.id)
	if code == http2.ErrCodeNo {
		c.close(s, errAnswered)
		return
	}
	c.abandon(s, errSpoilt)
}

// buffer is what has come of a body and has not been read.
type buffer struct {
	b   []byte
	off int
}

func (b *buffer) len() int { return len(b.b) - b.off }

func (b *buffer) write(p []byte) {
	switch {
	case b.off == len(b.b):
		b.b, b.off = b.b[:0], 0
	case b.off > 0 && len(b.b)+len(p) > cap(b.b):
		b.b = b.b[:copy(b.b, b.b[b.off:])]
		b.off = 0
	}
	b.b = append(b.b, p...)
}

func (b *buffer) read(p []byte) int {
	n := copy(p, b.b[b.off:])
	if b.off += n; b.off == len(b.b) && cap(b.b) > mostFrame {
		*b = buffer{} // a client that was ahead has been caught up with
	}
	return n
}
