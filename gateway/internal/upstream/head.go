package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/valyala/fasthttp"
)

// ResponseError says that what an upstream sent is not a response that can be
// passed on. The request is not retried: the next answer would be no better.
type ResponseError struct{ Err error }

func (e *ResponseError) Error() string { return "unreadable response: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *ResponseError) Unwrap() error { return e.Err }

func unreadable(format string, args ...any) error {
	return &ResponseError{fmt.Errorf(format, args...)}
}

// mostInterim bounds the interim answers (1xx) before the final one.
const mostInterim = 64

// readHead reads one header block of at most `most` bytes into h, and returns
// its size. What the codec does not take, though RFC 9112, 2.2, lets a recipient
// take it, is read by way of a copy; so is a block that the connection's buffer
// does not hold.
func (k *conn) readHead(h *fasthttp.ResponseHeader, most int) (int, error) {
	var s headScan
	for {
		b, _ := k.br.Peek(k.br.Buffered())
		if err := s.scan(b); err != nil {
			return 0, &ResponseError{err}
		}
		switch {
		case s.pos > most || !s.done && len(b) > most:
			return 0, headTooLarge(most)
		case s.done && !s.rewrite:
			return s.pos, s.parse(h, k)
		case s.done || len(b) == k.br.Size():
			return k.copyHead(h, most)
		}
		if _, err := k.br.Peek(len(b) + 1); err != nil {
			return 0, midway(err)
		}
	}
}

func headTooLarge(most int) error {
	return unreadable("its headers are longer than the %d bytes that upstream_header_bytes leaves them", most)
}

// midway is the error of a read within a message.
func midway(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse has the codec read a block that lies in the connection's buffer.
func (s *headScan) parse(h *fasthttp.ResponseHeader, k *conn) error {
	return s.decode(h, k, k.br, s.pos)
}

// decode has the codec read a block of a size from br. The codec must end where
// the scan has ended: what follows is the body, or the next answer.
func (s *headScan) decode(h *fasthttp.ResponseHeader, k *conn, br *bufio.Reader, size int) error {
	before := br.Buffered()
	if err := h.Read(br); err != nil {
		// Not the codec's error: it quotes what the upstream sent, cookies too.
		return unreadable("its header block is malformed")
	}
	if before-br.Buffered() != size {
		return unreadable("its header block has no clear end")
	}
	switch {
	case s.old && s.encoded:
		return unreadable("Transfer-Encoding in an HTTP/1.0 response")
	case s.encoded && s.sized:
		s.doubtful = true // Transfer-Encoding counts, but not to all
	}
	k.doubtful = k.doubtful || s.doubtful
	return nil
}

// headCopy holds a header block that the connection's buffer does not.
type headCopy struct {
	block []byte
	src   bytes.Reader
	br    *bufio.Reader
}

var headCopies = sync.Pool{New: func() any { return new(headCopy) }}

// copyHead reads a block line by line, and gives the codec one with the line
// ends that it wants, without what it need not see.
func (k *conn) copyHead(h *fasthttp.ResponseHeader, most int) (int, error) {
	c := headCopies.Get().(*headCopy)
	defer headCopies.Put(c)
	c.block = c.block[:0]
	var s headScan
	size := 0
	for !s.done {
		start := len(c.block)
		for more := true; more; {
			part, err := k.br.ReadSlice('\n')
			c.block = append(c.block, part...)
			if size += len(part); size > most {
				return 0, headTooLarge(most)
			}
			if more = errors.Is(err, bufio.ErrBufferFull); err != nil && !more {
				return 0, midway(err)
			}
		}
		line, crlf := trimLineEnd(c.block[start:])
		if err := s.line(line, crlf); err != nil {
			return 0, &ResponseError{err}
		}
		if c.block = c.block[:start]; !s.drop {
			c.block = append(c.block[:start+len(line)], '\r', '\n')
		}
		if s.lines == 1 && s.later {
			c.block[len(httpVersion)] = '1' // the codec takes it for HTTP/1.0 otherwise
		}
	}
	if c.br == nil || c.br.Size() < len(c.block) {
		c.br = bufio.NewReaderSize(nil, max(len(c.block), 2*bufferSize))
	}
	c.src.Reset(c.block)
	c.br.Reset(&c.src)
	if _, err := c.br.Peek(len(c.block)); err != nil {
		return 0, fmt.Errorf("copy a header block: %w", err)
	}
	return size, s.decode(h, k, c.br, len(c.block))
}

// trimLineEnd takes the line end off, and tells whether it was CRLF.
func trimLineEnd(line []byte) ([]byte, bool) {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1], true
	}
	return line, false
}
