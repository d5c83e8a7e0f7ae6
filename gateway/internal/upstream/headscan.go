package upstream

import (
	"bytes"
	"errors"
)

// headScan goes over a response's header block line by line, before the codec
// does: it finds the block's end, what the codec is too lenient or too strict
// with, and what other readers could take for another framing.
type headScan struct {
	pos      int // up to where the block was scanned; its size when done
	lines    int
	done     bool
	rewrite  bool // the codec does not take it as it is, or must not see a part
	doubtful bool // lenient forms: the connection is not used again
	drop     bool // the last line is not for the codec
	old      bool // HTTP/1.0
	later    bool // HTTP/1.2 or later
	sized    bool // it has a Content-Length
	encoded  bool // it has a Transfer-Encoding
}

var (
	errStatusLine = errors.New("it does not begin with a status line of HTTP/1.x")
	errFieldLine  = errors.New("a header line is malformed")
	httpVersion   = []byte("HTTP/1.")
	nameTrailer   = []byte("Trailer")
	nameLength    = []byte("Content-Length")
	nameEncoding  = []byte("Transfer-Encoding")
)

// scan continues in b, which begins where it did before.
func (s *headScan) scan(b []byte) error {
	if s.lines == 0 && !bytes.HasPrefix(b, httpVersion[:min(len(httpVersion), len(b))]) {
		return errStatusLine // not waited for: its line may never end
	}
	for !s.done {
		i := bytes.IndexByte(b[s.pos:], '\n')
		if i < 0 {
			return nil
		}
		line, crlf := trimLineEnd(b[s.pos : s.pos+i+1])
		s.pos += i + 1
		if err := s.line(line, crlf); err != nil {
			return err
		}
	}
	return nil
}

// line takes the next line, without its end.
func (s *headScan) line(line []byte, crlf bool) error {
	if !crlf {
		s.rewrite, s.doubtful = true, true
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return errFieldLine
	}
	s.lines++
	switch {
	case s.lines == 1:
		return s.statusLine(line)
	case len(line) == 0:
		s.done, s.drop = true, false
		return nil
	}
	return s.field(line)
}

// statusLine checks what the codec would let pass: other majors, numbers below
// 100, control characters. A later minor version is read as HTTP/1.1 (RFC 9110,
// 2.5).
func (s *headScan) statusLine(b []byte) error {
	if len(b) < len("HTTP/1.1 200") || !bytes.HasPrefix(b, httpVersion) || b[7] < '0' || b[7] > '9' || b[8] != ' ' {
		return errStatusLine
	}
	status, reason := b[9:12], b[12:]
	for _, c := range status {
		if c < '0' || c > '9' {
			return errStatusLine
		}
	}
	if status[0] == '0' || len(reason) > 0 && reason[0] != ' ' {
		return errStatusLine
	}
	for _, c := range reason {
		if c < ' ' && c != '\t' || c == 0x7f {
			return errStatusLine
		}
	}
	s.old, s.later = b[7] == '0', b[7] > '1'
	s.rewrite = s.rewrite || s.later
	return nil
}

func (s *headScan) field(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' { // the continuation of the line before
		if s.lines == 2 {
			return errFieldLine
		}
		s.doubtful = true
		return nil
	}
	s.drop = false
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return errFieldLine
	}
	name := line[:colon]
	if name[colon-1] == ' ' { // taken off by a proxy (RFC 9112, 5.1)
		s.doubtful = true
		name = bytes.TrimRight(name, " ")
	}
	if len(name) == 0 || bytes.IndexByte(name, ' ') >= 0 {
		return errFieldLine
	}
	switch len(name) {
	case len(nameTrailer):
		// Trailers are not passed on, and what it announces is no one's concern.
		if bytes.EqualFold(name, nameTrailer) {
			s.drop, s.rewrite = true, true
		}
	case len(nameLength):
		s.sized = s.sized || bytes.EqualFold(name, nameLength)
	case len(nameEncoding):
		s.encoded = s.encoded || bytes.EqualFold(name, nameEncoding)
	}
	return nil
}
