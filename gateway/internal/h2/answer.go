package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// SendHead puts an answer's header where the next write takes it from. ended tells
// that nothing follows.
func (s *Stream) SendHead(status int, fields []Field, ended bool) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.send(status, fields, ended)
}

// SendInterim sends an answer before the answer: 103 Early Hints, say.
func (s *Stream) SendInterim(status int, fields []Field) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	s.sendInterim(status, fields)
	c.flush()
}

func (s *Stream) sendInterim(status int, fields []Field) {
	_ = s.send(status, fields, false) // of no consequence: the answer meets the same
}

// SendTrailers ends an answer with the fields behind its body.
func (s *Stream) SendTrailers(fields []Field) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.send(0, fields, true)
}

// send puts a header where the next write takes it from. c.mu is held, so that
// headers are written in the order in which HPACK has encoded them.
func (s *Stream) send(status int, fields []Field, ended bool) error {
	c := s.conn
	if err := s.mayWrite(); err != nil {
		return err
	}
	if status == 100 || status >= 200 { // what comes now says as much, or that it is too late
		s.expects = false
	}
	w := &c.writer
	w.begin()
	if status != 0 {
		w.status(status)
	}
	for _, f := range fields {
		w.field(f)
	}
	block := w.block.Bytes()
	first := block[:min(len(block), mostFrame)]
	rest := block[len(first):]
	f := c.frames()
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: first, EndStream: ended, EndHeaders: len(rest) == 0})
	for len(rest) > 0 {
		part := rest[:min(len(rest), mostFrame)]
		rest = rest[len(part):]
		_ = f.WriteContinuation(s.id, len(rest) == 0, part)
	}
	if ended {
		s.endLocal()
	}
	return nil
}

func (s *Stream) mayWrite() error {
	switch {
	case s.conn.broken != nil:
		return s.conn.broken
	case s.localEnded:
		return errAnswered
	case s.closed && s.failure != nil:
		return s.failure
	case s.closed:
		return errAnswered
	}
	return nil
}

// endLocal marks the answer as complete. If the client is still sending, the stream is
// reset with NO_ERROR (RFC 9113, 8.1).
func (s *Stream) endLocal() {
	s.localEnded = true
	if s.remoteEnded {
		s.conn.close(s, errAnswered)
		return
	}
	s.conn.reset(s, http2.ErrCodeNo)
}

// Flush writes what has been put together so far.
func (s *Stream) Flush() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.conn.flush()
}

// Send sends a part of a body, or with ended its last, which may be empty. It waits
// for the client as long as it may, and tells how long it did.
func (s *Stream) Send(p []byte, ended bool, most time.Duration) (waited time.Duration, err error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := s.mayWrite(); err != nil {
			return waited, err
		}
		n := c.room(s, len(p))
		if n == len(p) {
			s.data(p, ended)
			break
		}
		if n > 0 {
			s.data(p[:n], false)
			p = p[n:]
			continue
		}
		if c.flush(); c.room(s, 1) > 0 || c.broken != nil || s.closed {
			continue
		}
		if waited >= most {
			return waited, ErrTimeout
		}
		waited += s.awaitRoom(most - waited)
	}
	c.flush()
	return waited, nil
}

// awaitRoom waits among those that have something to send.
func (s *Stream) awaitRoom(most time.Duration) time.Duration {
	c := s.conn
	c.enqueue(s)
	waited := c.wait(&s.writable, most)
	c.unblock(s)
	c.wakeBlocked() // there may be room for others
	return waited
}

func (s *Stream) data(p []byte, ended bool) {
	c := s.conn
	_ = c.frames().WriteData(s.id, ended, p)
	c.outflow -= outflow(len(p))
	s.outflow -= outflow(len(p))
	if ended {
		s.endLocal()
	}
}

// Reset tells the client that there will be no more of the answer.
func (s *Stream) Reset(code http2.ErrCode) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset(s, code)
	c.flush()
}
