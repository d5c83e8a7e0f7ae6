package h2

import (
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// onHeaders takes a header, which begins a request or ends its body.
func (c *Conn) onHeaders(f *http2.HeadersFrame) error {
	id, ended := f.StreamID, f.StreamEnded() // the frame does not outlive the next one
	if id%2 == 0 {
		return errProtocol
	}
	if err := c.readBlock(f); err != nil {
		return err
	}
	s, err := c.take(id, ended)
	if s != nil {
		c.server.workers.start(s)
	}
	return err
}

// take is onHeaders for a header that has been decoded.
func (c *Conn) take(id uint32, ended bool) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id <= c.last {
		return nil, c.onTrailers(id, ended)
	}
	return c.begin(id, ended)
}

// mostWaiting is how many times as many requests as may be open wait for those
// that have been taken back and are still being worked on, or for the client to read.
const mostWaiting = 4

// begin begins a request, and returns it where it is to be answered now. c.mu is held.
func (c *Conn) begin(id uint32, ended bool) (*Stream, error) {
	c.last = id
	config := &c.server.config
	if c.leaving.without(id) {
		return nil, nil //nolint:nilnil // the client asks elsewhere, and knows why
	}
	if c.open >= config.Streams {
		return nil, http2.StreamError{StreamID: id, Code: http2.ErrCodeRefusedStream} // which the client may send again
	}
	if len(c.waiting) >= mostWaiting*config.Streams {
		return nil, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	r, ok := c.block.request(ended)
	if !ok {
		return nil, http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	s := c.newStream(id, r, ended)
	s.fields = c.block.take(&c.server.fields)
	s.Fields = s.fields.all
	c.streams[id] = s
	c.open++
	if !c.mayRun() {
		c.waiting = append(c.waiting, s)
		return nil, nil //nolint:nilnil // as above
	}
	c.running++
	return s, nil
}

// mayRun tells whether one more request may be answered now. Headers wait for no
// window: a client that reads nothing must not have any number of them made.
func (c *Conn) mayRun() bool {
	return c.running < c.server.config.Streams && c.pending() < mostControl
}

// resume has requests answered that have waited until they may. c.mu is held.
func (c *Conn) resume() {
	for len(c.waiting) > 0 && c.mayRun() {
		s := c.waiting[0]
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		if s.closed {
			delete(c.streams, s.id)
			continue
		}
		c.running++
		c.server.workers.start(s)
	}
}

// onTrailers takes the fields behind a body. c.mu is held.
func (c *Conn) onTrailers(id uint32, ended bool) error {
	s, b := c.streams[id], &c.block
	switch {
	case c.resets.had(id) || c.leaving.without(id):
		return nil // it cannot have known
	case s == nil:
		return errProtocol // a stream's number is used once
	case s.closed || s.remoteEnded:
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeStreamClosed}
	case !ended || !b.ok() || b.had != [4]bool{} || b.fault != nil || !s.fits(true):
		return http2.StreamError{StreamID: id, Code: http2.ErrCodeProtocol}
	}
	s.trailers = append([]hpack.HeaderField(nil), b.fields...)
	for _, v := range b.hosts { // for who reads them to refuse
		s.trailers = append(s.trailers, hpack.HeaderField{Name: "host", Value: v})
	}
	for _, v := range b.lengths {
		s.trailers = append(s.trailers, hpack.HeaderField{Name: "content-length", Value: v})
	}
	s.remoteEnded = true
	wake(s.readable)
	return nil
}

// handle has a request answered, and ends it.
func (s *Server) handle(x *Stream) {
	defer s.handled(x)
	s.config.Handle(x)
}

// handled ends a stream that Handle has returned from.
func (s *Server) handled(x *Stream) {
	reason := recover()
	if reason != nil {
		s.config.Panicked(reason, debug.Stack())
	}
	x.fields.release(&s.fields)
	c := x.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if !x.closed {
		c.reset(x, http2.ErrCodeInternal) // the answer is not whole
	}
	delete(c.streams, x.id)
	c.resume()
	c.idleSince = time.Now()
	c.mayEnd()
	c.flush()
}

// fieldList is a list of fields that is used again.
type fieldList struct{ all []hpack.HeaderField }

// take gives the fields of a header away, and gets an empty list for them.
func (b *headerBlock) take(pool *sync.Pool) *fieldList {
	l := pool.Get().(*fieldList)
	l.all, b.fields = b.fields, l.all
	return l
}

func (l *fieldList) release(pool *sync.Pool) {
	clear(l.all)
	l.all = l.all[:0]
	pool.Put(l)
}
