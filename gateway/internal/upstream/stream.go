package upstream

import (
	"errors"
	"io"
	"time"
)

// stream is a response body on its way. fasthttp closes it when the client has
// it all, or is gone.
type stream struct {
	pools   *Pools
	call    Call
	target  *Target
	conn    *conn
	src     io.Reader
	client  io.Writer // of an unbuffered body of known length
	passed  int64
	left    int64 // of a body of known length; -1 unknown
	sized   bool  // the client is told the length
	keep    bool
	ended   bool // src was read to its end
	closed  bool
	failure error // for good: a client must not take a part for the whole
}

// errUnread says that the client left before the body had passed.
var errUnread = errors.New("the client did not take the whole response")

// Read passes on what has come, as soon as it has. An error never comes with
// data: the codec would lose it.
func (s *stream) Read(b []byte) (int, error) {
	switch {
	case s.failure != nil:
		return 0, s.failure
	case s.ended || s.left == 0:
		s.ended = true
		return 0, io.EOF
	case len(b) == 0:
		return 0, nil
	}
	// Also where something is buffered: it may be a part of a chunk's header.
	_ = s.conn.SetReadDeadline(time.Now().Add(s.call.Read))
	if s.left > 0 {
		b = b[:min(int64(len(b)), s.left)]
	}
	n, err := s.src.Read(b)
	s.passed += int64(n)
	if s.left > 0 {
		s.left -= int64(n)
	}
	switch {
	case n > 0 || err == nil:
		return n, nil // an error of the connection comes again
	case errors.Is(err, io.EOF) && s.left > 0:
		s.failure = io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF):
		s.ended = true
		if c, ok := s.src.(*chunkReader); ok && len(c.trailers) > 0 && s.call.OnTrailers != nil {
			s.call.OnTrailers(c.trailers)
		}
		return 0, io.EOF
	default:
		s.failure = err
	}
	return 0, s.failure
}

// WriteTo is io.WriterTo's. After PassThrough it writes what has come, as soon
// as it has, beside the codec's buffer, which is empty after the headers; the
// codec counts what was written.
func (s *stream) WriteTo(w io.Writer) (int64, error) {
	src := struct{ io.Reader }{s}
	if s.client == nil {
		return io.Copy(w, src)
	}
	return io.CopyBuffer(struct{ io.Writer }{s.client}, src, make([]byte, bufferSize))
}

// Close gives the connection back when the body was read to its end.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.left == 0 {
		s.ended = true
	}
	s.pools.release(&s.call, s.target, s.conn, s.keep, s.ended)
	if s.failure == nil && !s.ended {
		s.failure = errUnread
	}
	if s.call.OnEnd != nil {
		s.call.OnEnd(s.passed, s.failure)
	}
	return nil
}
