package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
)

const (
	firstBuffer = 4 << 10
	maxHead     = 64 << 10 // of a status line and headers
)

// responseReader reads HTTP/1.1 responses from one connection, one after the other,
// without allocation in steady state. It understands what a gateway sends:
// Content-Length, chunked, and bodies that end with the connection.
type responseReader struct {
	from io.Reader
	buf  []byte
	r, w int // buf[r:w] is read and not consumed

	response
	cache, node, edge []byte // header values; they and the response's slices are valid until the next read
	close             bool   // the server ends the connection after this response

	chunked bool
	length  int64 // of the body; -1: until the connection ends
	digest  xxhash.Digest
	kept    []byte // backs response.prefix
	names   []byte // backs the header values, which must outlive the body
}

func newResponseReader() *responseReader {
	return &responseReader{buf: make([]byte, firstBuffer), kept: make([]byte, 0, prefixSize)}
}

// reset begins with a new connection.
func (p *responseReader) reset(from io.Reader) {
	p.from = from
	p.r = 0
	p.w = 0
}

// read reads one response. noBody: the request was a HEAD. check: look at the
// body. An error leaves the connection unusable.
func (p *responseReader) read(noBody, check bool) error {
	for {
		if err := p.readHead(); err != nil {
			return err
		}
		if p.status >= 200 {
			break
		}
		// An interim response; another follows. 101 would be another protocol.
		if p.status == 101 {
			return fmt.Errorf("%w: unrequested switch of protocols", errMalformed)
		}
	}
	p.size = 0
	p.checked = check
	p.hash = 0
	p.prefix = nil
	if check {
		p.digest.Reset()
		p.kept = p.kept[:0]
	}
	if err := p.readBody(noBody); err != nil {
		return err
	}
	if check {
		p.hash, p.prefix = p.digest.Sum64(), p.kept
	}
	if p.r < p.w && !p.close {
		return fmt.Errorf("%w: %d bytes behind the body", errMalformed, p.w-p.r)
	}
	return nil
}

// fillMore reads more into the buffer, whose unread part may move.
func (p *responseReader) fillMore() error {
	if p.r == p.w {
		p.r, p.w = 0, 0
	} else if p.w == len(p.buf) {
		if p.r > 0 {
			p.w = copy(p.buf, p.buf[p.r:p.w])
			p.r = 0
		} else {
			p.buf = append(p.buf, make([]byte, len(p.buf))...)
		}
	}
	n, err := p.from.Read(p.buf[p.w:])
	p.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// readHead consumes the status line and the headers.
func (p *responseReader) readHead() error {
	var end, seen int
	for {
		// The end may straddle what was there and what came.
		from := max(0, seen-3)
		if i := bytes.Index(p.buf[p.r+from:p.w], []byte("\r\n\r\n")); i >= 0 {
			end = p.r + from + i
			break
		}
		seen = p.w - p.r
		if seen > maxHead {
			return fmt.Errorf("%w: headers beyond %d bytes", errMalformed, maxHead)
		}
		if err := p.fillMore(); err != nil {
			return err
		}
	}
	head := p.buf[p.r : end+2]
	p.r = end + 4
	return p.parseHead(head)
}

// body reads as the headers said.
func (p *responseReader) readBody(noBody bool) error {
	switch {
	case noBody || !mayHaveBody(p.status):
		return nil
	case p.chunked:
		return p.readChunks()
	case p.length >= 0:
		return p.consume(p.length)
	}
	p.close = true
	for {
		p.take(p.w - p.r)
		if err := p.fillMore(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// consume takes n bytes of body.
func (p *responseReader) consume(n int64) error {
	for {
		have := min(int64(p.w-p.r), n)
		p.take(int(have))
		if n -= have; n == 0 {
			return nil
		}
		if err := p.fillMore(); err != nil {
			return ended(err)
		}
	}
}

// take makes the next n bytes, which are in the buffer, part of the body.
func (p *responseReader) take(n int) {
	b := p.buf[p.r : p.r+n]
	p.r += n
	p.size += n
	if p.stream {
		p.watch(b)
	}
	if !p.checked {
		return
	}
	_, _ = p.digest.Write(b) // never fails
	if room := prefixSize - len(p.kept); room > 0 {
		p.kept = append(p.kept, b[:min(room, n)]...)
	}
}

func (p *responseReader) readChunks() error {
	for {
		line, err := p.line()
		if err != nil {
			return err
		}
		size, ok := hexSize(line)
		if !ok {
			return fmt.Errorf("%w: chunk size %.20q", errMalformed, line)
		}
		if size == 0 {
			break
		}
		if err := p.consume(size); err != nil {
			return err
		}
		if line, err = p.line(); err != nil {
			return err
		}
		if len(line) != 0 {
			return fmt.Errorf("%w: chunk longer than its size", errMalformed)
		}
	}
	for { // trailers
		line, err := p.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
	}
}

// line consumes a line and gives it without its end.
func (p *responseReader) line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(p.buf[p.r:p.w], '\n'); i >= 0 {
			line := p.buf[p.r : p.r+i]
			p.r += i + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		if p.w-p.r > maxHead {
			return nil, fmt.Errorf("%w: a line beyond %d bytes", errMalformed, maxHead)
		}
		if err := p.fillMore(); err != nil {
			return nil, ended(err)
		}
	}
}

// ended makes an end in the middle of a body what it is.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// hexSize reads a chunk's size; extensions are ignored.
func hexSize(line []byte) (int64, bool) {
	var n int64
	i := 0
	for ; i < len(line) && i < 15; i++ {
		d := hexDigit(line[i])
		if d < 0 {
			break
		}
		n = n<<4 | int64(d)
	}
	rest := bytes.TrimLeft(line[i:], " \t")
	return n, i > 0 && (len(rest) == 0 || rest[0] == ';')
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
