package upstream

import (
	"errors"
	"io"
	"net/http"
)

// http2Stream is a response body on its way.
type http2Stream struct {
	exchange *http2Exchange
	target   *Target
	res      *http.Response
	passed   int64
	ended    bool
	closed   bool
	failure  error
}

// Read is io.Reader's. It returns what has come, as soon as it has.
func (s *http2Stream) Read(b []byte) (int, error) {
	switch {
	case s.failure != nil:
		return 0, s.failure
	case s.ended:
		return 0, io.EOF
	case len(b) == 0:
		return 0, nil
	}
	n, err := s.res.Body.Read(b)
	s.passed += int64(n)
	s.exchange.moved()
	switch {
	case n > 0 || err == nil:
		return n, nil // an error comes again
	case errors.Is(err, io.EOF):
		s.ended = true
		if on := s.exchange.call.OnTrailers; on != nil && len(s.res.Trailer) > 0 {
			on(trailersOf(s.res.Trailer))
		}
		return 0, io.EOF
	}
	s.failure = s.exchange.cause(err)
	return 0, s.failure
}

func trailersOf(h http.Header) (out []Field) {
	for name, values := range h {
		for _, v := range values {
			out = append(out, Field{name, v})
		}
	}
	return out
}

// Close ends the exchange, if it has not ended.
func (s *http2Stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	_ = s.res.Body.Close()
	s.exchange.finish(s.target)
	if s.failure == nil && !s.ended {
		s.failure = errUnread
	}
	if on := s.exchange.call.OnEnd; on != nil {
		on(s.passed, s.failure)
	}
	return nil
}
