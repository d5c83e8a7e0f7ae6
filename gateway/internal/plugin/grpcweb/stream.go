package grpcweb

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

const (
	trailersFlag = 0x80 // of the frame that holds the trailers
	prefix       = 5    // bytes before each frame: flags and length
	readSize     = 24 << 10
)

// stream is the body of an answer of gRPC-Web: the messages as they come, and then
// a frame with the trailers. In base64 each piece that came is encoded by itself.
type stream struct {
	src      io.Reader
	text     bool
	trailers []byte
	pending  []byte // is still to be read
	ended    bool
	buf      []byte
}

// trailer is plugin.Exchange's OnTrailer.
func (s *stream) trailer(name, value string) {
	s.trailers = append(append(append(append(s.trailers, strings.ToLower(name)...), ':'), value...), "\r\n"...)
}

// Read is io.Reader's.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.pending) == 0 {
		if s.ended {
			return 0, io.EOF
		}
		if !s.text {
			n, err := s.src.Read(b)
			if n > 0 || err == nil {
				return n, nil
			}
			if err := s.end(err); err != nil {
				return 0, err
			}
			continue
		}
		if s.buf == nil {
			s.buf = make([]byte, readSize)
		}
		n, err := s.src.Read(s.buf)
		switch {
		case n > 0:
			s.pending = base64.StdEncoding.AppendEncode(s.pending[:0], s.buf[:n])
		case err != nil:
			if err := s.end(err); err != nil {
				return 0, err
			}
		}
	}
	n := copy(b, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

// end appends the trailers, which have come when the messages have ended.
func (s *stream) end(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	s.ended = true
	s.pending = s.lastFrame()
	return nil
}

func (s *stream) lastFrame() []byte {
	frame := make([]byte, prefix, prefix+len(s.trailers))
	frame[0] = trailersFlag
	binary.BigEndian.PutUint32(frame[1:], uint32(len(s.trailers))) //nolint:gosec // bounded by the upstream's header limit
	frame = append(frame, s.trailers...)
	if s.text {
		return base64.StdEncoding.AppendEncode(nil, frame)
	}
	return frame
}

// Close closes the upstream's body.
func (s *stream) Close() error {
	if c, ok := s.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
