package upstream

import (
	"bufio"
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
	passed  int64
	left    int64 // of a body of known length; -1 unknown
	chunked bool
	keep    bool
	ended   bool // src was read to its end
	closed  bool
	failure error
}

// errUnread says that the client left before the body had passed.
var errUnread = errors.New("the client did not take the whole response")

// Read passes on what has come, as soon as it has.
func (s *stream) Read(b []byte) (int, error) {
	if s.ended {
		return 0, io.EOF
	}
	// Also where something is buffered: it may be a part of a chunk's header.
	_ = s.conn.SetReadDeadline(time.Now().Add(s.call.Read))
	n, err := s.src.Read(b)
	s.passed += int64(n)
	if s.left > 0 {
		s.left -= int64(n)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF) && s.left > 0:
		err = io.ErrUnexpectedEOF
		s.failure = err
	case errors.Is(err, io.EOF):
		s.ended = true
		if s.chunked && skipTrailer(s.conn.br) != nil {
			s.keep = false
		}
	default:
		s.failure = err
	}
	return n, err
}

// skipTrailer reads what follows the last chunk up to the empty line.
func skipTrailer(br *bufio.Reader) error {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			return nil
		}
	}
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
	s.pools.release(&s.call, s.target, s.conn, s.keep && s.ended)
	if s.failure == nil && !s.ended {
		s.failure = errUnread
	}
	if s.call.OnEnd != nil {
		s.call.OnEnd(s.passed, s.failure)
	}
	return nil
}
