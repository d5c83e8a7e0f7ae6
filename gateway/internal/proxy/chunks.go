package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// chunks looks at the lines of a chunked body before the codec reads them,
// which takes more than RFC 9112 allows: lines that end without CR, control
// characters, trailers with white space around their names. A reader
// that is stricter with the same bytes must not see another end of the body.
//
// It also takes the end of the body, the last chunk and the trailers, off the
// codec: that would add the trailers to the request's header, after everything
// was decided by it.
type chunks struct {
	br       *bufio.Reader
	codec    requestStream
	trailers []upstream.Field // once check has returned errBodyEnd
}

// newChunks returns nothing for a stream that is not the codec's.
func newChunks(stream io.Reader) (c chunks) {
	s, ok := newRequestStream(stream)
	if !ok {
		return c
	}
	return chunks{br: s.reader(), codec: s}
}

// mostTrailers bounds the trailers of a request: the codec looks through those before for
// each of them.
const mostTrailers = 256

var (
	errChunkLine = errors.New("malformed chunk size or extension")
	errTrailer   = errors.New("malformed trailer, or too many")
	errBodyEnd   = errors.New("the last chunk and the trailers have come")
	crlf         = []byte("\r\n")
)

// check waits for the next line that the codec will read, if it is in none of
// the chunks, and for the trailers behind the last. It returns the size of the
// chunk that begins. errBodyEnd says that the body has ended.
func (c *chunks) check() (size int64, err error) {
	if c.br == nil || c.codec.chunkLeft() != 0 {
		return 0, nil
	}
	line, err := c.line(0)
	if err != nil {
		return 0, fmt.Errorf("read a chunk's size: %w", err)
	}
	size, ok := chunkSize(line)
	if !ok {
		return 0, errChunkLine
	}
	if size > 0 {
		return size, nil
	}
	for at, n := len(line), 0; ; at += len(line) {
		if line, err = c.line(at); err != nil {
			return 0, fmt.Errorf("read the trailers: %w", err)
		}
		if len(line) == len(crlf) {
			c.keepTrailers(at)
			_, _ = c.br.Discard(at + len(line))
			c.codec.end()
			return 0, errBodyEnd
		}
		name, ok := fieldName(line[:len(line)-len(crlf)])
		if n++; !ok || n > mostTrailers || framesOrForwards(name) {
			return 0, errTrailer
		}
	}
}

// keepTrailers copies the trailers, which end so many bytes on, and were checked.
func (c *chunks) keepTrailers(end int) {
	b, _ := c.br.Peek(end)
	_, b, _ = bytes.Cut(b, crlf) // the last chunk's line
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, crlf)
		name, value, _ := bytes.Cut(line, []byte(":"))
		c.trailers = append(c.trailers, upstream.Field{Name: string(name), Value: string(bytes.Trim(value, " \t"))})
	}
}

// framesOrForwards tells whether a request must not have a field as a trailer: it
// says where the message ends, or who sent it (RFC 9110, 6.5.1). See mayTrail for
// those that are dropped.
func framesOrForwards(name []byte) bool {
	squeezed := squeeze(name)
	return ownNames[squeezed] || strings.HasPrefix(squeezed, "xforwarded")
}

// line returns the line that begins after so many bytes, with its CRLF, and
// leaves it in the buffer.
func (c *chunks) line(at int) ([]byte, error) {
	for n := max(at+1, c.br.Buffered()); ; n = c.br.Buffered() + 1 {
		_, err := c.br.Peek(n)
		b, _ := c.br.Peek(c.br.Buffered())
		if i := bytes.IndexByte(b[min(at, len(b)):], '\n'); i >= 0 {
			line := b[at : at+i+1]
			if !bytes.HasSuffix(line, crlf) || !isText(line[:len(line)-len(crlf)]) {
				return nil, errChunkLine
			}
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// chunkSize reads the size at the beginning of a chunk's line.
func chunkSize(line []byte) (size int64, ok bool) {
	for i, c := range line {
		var digit byte
		switch {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			digit = c | 0x20 - 'a' + 10
		default:
			return size, i > 0 && upstream.IsChunkExtensions(bytes.TrimSuffix(line[i:], crlf))
		}
		if size > math.MaxInt64>>4 {
			return 0, false
		}
		size = size<<4 | int64(digit)
	}
	return 0, false
}

// fieldName is the name of a header field's line; false where it is none.
func fieldName(line []byte) (name []byte, ok bool) {
	name, _, ok = bytes.Cut(line, []byte(":"))
	for _, c := range name {
		if !isToken(c) {
			return nil, false
		}
	}
	return name, ok && len(name) > 0
}

func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// isText tells whether there are no control characters but tabs.
func isText[T string | []byte](b T) bool {
	for i := range len(b) {
		if c := b[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
