package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// chunkReader reads a chunked body (RFC 9112, 7.1), and takes nothing that
// another reader could take for something else: whatever is not by the grammar
// is an error, and the body has no end then. An error never comes with data.
type chunkReader struct {
	br    *bufio.Reader
	left  int64 // of the chunk's data
	open  bool  // the chunk's data is still to be ended by CRLF
	spent int   // bytes of framing beyond what the data they frame allows
	most  int   // bytes of trailers
	err   error // for good

	trailers []Field // once Read has returned io.EOF
}

// Bounds of what frames the data.
const (
	longestChunkLine = 4 << 10
	mostChunkSpent   = 16 << 10
	freeChunkLine    = 24 // of a line: a size of 16 digits and a little
)

var (
	errChunkSize    = errors.New("a chunk's size is malformed")
	errChunkLine    = errors.New("a chunk's extensions are malformed")
	errChunkEnd     = errors.New("a chunk's data does not end with CRLF")
	errChunkSpent   = errors.New("a chunked body is framing more than data")
	errTrailer      = errors.New("a trailer line is malformed")
	errTrailersSize = errors.New("the trailers are too long")
)

// Read is io.Reader's. It returns as soon as there is data. io.EOF says that
// the last chunk and the trailers have come.
func (c *chunkReader) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(b) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, c.fail(err)
		}
	}
	n, err := c.br.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if n > 0 {
		return n, nil // an error comes again
	}
	return 0, c.fail(midway(err))
}

// fail keeps an error: where it came, the place in the framing is lost.
func (c *chunkReader) fail(err error) error {
	if err == nil {
		err = io.ErrNoProgress
	}
	c.err = err
	return err
}

// next moves to the next chunk's data; after the last one it returns io.EOF.
func (c *chunkReader) next() error {
	if c.open {
		if err := c.crlf(); err != nil {
			return err
		}
		c.open = false
	}
	first, err := c.br.Peek(1)
	if err != nil {
		return midway(err)
	}
	if hexDigit(first[0]) < 0 {
		return errChunkSize // not waited for: its line may never end
	}
	line, err := c.line(longestChunkLine, errChunkLine)
	if err != nil {
		return err
	}
	size, rest, ok := chunkSize(line)
	if !ok {
		return errChunkSize
	}
	if !IsChunkExtensions(rest) {
		return errChunkLine
	}
	if size == 0 {
		return c.readTrailers()
	}
	// Each byte of data pays for two of framing.
	c.spent = max(c.spent+len(line)-freeChunkLine-2*int(min(size, mostChunkSpent)), 0)
	if c.spent > mostChunkSpent {
		return errChunkSpent
	}
	c.left, c.open = size, true
	return nil
}

func (c *chunkReader) crlf() error {
	for _, want := range []byte("\r\n") {
		b, err := c.br.ReadByte()
		if err != nil {
			return midway(err)
		}
		if b != want {
			return errChunkEnd
		}
	}
	return nil
}

// line reads a line that ends with CRLF, and returns it without. bad is the
// error where it does not, or has another CR or LF in it.
func (c *chunkReader) line(most int, bad error) ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > most:
		return nil, bad
	case err != nil:
		return nil, midway(err)
	}
	line, crlf := trimLineEnd(line)
	if !crlf {
		return nil, bad
	}
	return line, nil
}

// readTrailers reads them up to the empty line.
func (c *chunkReader) readTrailers() error {
	for left := c.most; ; {
		line, err := c.line(left, errTrailersSize)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return io.EOF
		}
		if !isField(line) {
			return errTrailer
		}
		left -= len(line) + len("\r\n")
		name, value, _ := bytes.Cut(line, []byte(":"))
		c.trailers = append(c.trailers, Field{string(name), string(bytes.Trim(value, " \t"))})
	}
}

// chunkSize reads the digits that a chunk's line begins with.
func chunkSize(line []byte) (size int64, rest []byte, ok bool) {
	const mostDigits = 16
	n := 0
	for n < len(line) && n < mostDigits {
		d := hexDigit(line[n])
		if d < 0 {
			break
		}
		if size>>59 != 0 {
			return 0, nil, false // 16 times that is no int64
		}
		size = size<<4 | int64(d)
		n++
	}
	return size, line[n:], n > 0
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// IsChunkExtensions checks what follows a chunk's size: *( BWS ";" BWS name
// [ BWS "=" BWS value ] ).
func IsChunkExtensions(b []byte) bool {
	for len(b) > 0 {
		if b = skipBlank(b); len(b) == 0 || b[0] != ';' {
			return false
		}
		n := tokenLen(skipBlank(b[1:]))
		if n == 0 {
			return false
		}
		b = skipBlank(b[1:])[n:]
		after := skipBlank(b)
		if len(after) == 0 || after[0] != '=' {
			continue // blanks are allowed only before another extension
		}
		value := skipBlank(after[1:])
		if n = tokenLen(value); n == 0 {
			n = quotedLen(value)
		}
		if n == 0 {
			return false
		}
		b = value[n:]
	}
	return true
}

func skipBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

func tokenLen(b []byte) int {
	for i, c := range b {
		if !isTokenByte(c) {
			return i
		}
	}
	return len(b)
}

// quotedLen is the length of the quoted string at the beginning; 0: there is
// none.
func quotedLen(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i++; i == len(b) || isControl(b[i]) {
				return 0
			}
		case isControl(c):
			return 0
		}
	}
	return 0
}

// isField checks a trailer's line: a name, a colon, a value without control
// characters. Lines that go on in the next one are not taken.
func isField(line []byte) bool {
	n := tokenLen(line)
	if n == 0 || n == len(line) || line[n] != ':' {
		return false
	}
	for _, c := range line[n+1:] {
		if isControl(c) {
			return false
		}
	}
	return true
}

func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// isTokenByte tells RFC 9110's tchar.
func isTokenByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}
