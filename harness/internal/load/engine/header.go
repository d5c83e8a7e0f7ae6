package engine

import (
	"bytes"
	"fmt"
)

// parseHead reads a status line and headers, each line ending with CR LF. Only
// the headers that matter are examined.
func (p *responseReader) parseHead(head []byte) error {
	p.response = response{}
	p.cache = nil
	p.node = nil
	p.edge = nil
	p.chunked = false
	p.length = -1
	p.names = p.names[:0]

	line, rest := cutLine(head)
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || (len(line) > 12 && line[12] != ' ') {
		return fmt.Errorf("%w: status line %.40q", errMalformed, line)
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return fmt.Errorf("%w: status line %.40q", errMalformed, line)
		}
		p.status = p.status*10 + int(c-'0')
	}
	if p.status < 100 || p.status > 599 {
		return fmt.Errorf("%w: status %d", errMalformed, p.status)
	}
	line10 := line[7] == '0'
	p.close = line10 // unless it says otherwise

	for len(rest) > 0 {
		line, rest = cutLine(rest)
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return fmt.Errorf("%w: header %.40q", errMalformed, line)
		}
		if err := p.header(line[:colon], trim(line[colon+1:])); err != nil {
			return err
		}
	}
	// RFC 9112, 6.1 and 6.3: such a framing is faulty, or an attempt at smuggling.
	// A gateway that sends it must not be found right.
	if p.chunked && line10 {
		return fmt.Errorf("%w: Transfer-Encoding in HTTP/1.0", errMalformed)
	}
	if p.chunked && p.length >= 0 {
		return fmt.Errorf("%w: both Transfer-Encoding and Content-Length", errMalformed)
	}
	return nil
}

func (p *responseReader) header(name, value []byte) error {
	// Lengths tell most headers apart before anything is compared.
	switch len(name) {
	case 10:
		if is(name, "connection") {
			if is(value, "close") {
				p.close = true
			} else if is(value, "keep-alive") {
				p.close = false
			}
		}
	case 12:
		switch {
		case is(name, "content-type"):
			const sse = "text/event-stream"
			p.stream = len(value) >= len(sse) && is(value[:len(sse)], sse)
		case is(name, "x-edge-cache"):
			p.edge = p.keep(value)
		}
	case 13:
		if is(name, "x-origin-body") {
			p.originHash = p.keep(value)
		}
	case 14:
		switch {
		case is(name, "content-length"):
			n, ok := decimal(value)
			if !ok || (p.length >= 0 && p.length != n) {
				return fmt.Errorf("%w: Content-Length %.40q", errMalformed, value)
			}
			p.length = n
		case is(name, "x-cache-status"):
			p.cache = p.keep(value)
		case is(name, "x-gateway-node"):
			p.node = p.keep(value)
		}
	case 17:
		if is(name, "transfer-encoding") {
			if p.chunked || !is(value, "chunked") {
				return fmt.Errorf("%w: Transfer-Encoding %.40q", errMalformed, value)
			}
			p.chunked = true
		}
	case 23:
		p.gatewayOwn = p.gatewayOwn || is(name, "x-kong-response-latency")
	}
	return nil
}

// keep copies a value out of the buffer, which the body will overwrite.
func (p *responseReader) keep(v []byte) []byte {
	at := len(p.names)
	p.names = append(p.names, v...)
	return p.names[at:len(p.names):len(p.names)]
}

func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), b[i+1:]
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// is compares without regard to case; want is in lower case.
func is(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i := range len(want) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

func decimal(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
