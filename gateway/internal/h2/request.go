package h2

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// What a request is answered 400 or 431 for; what is malformed beyond that is reset.
var (
	ErrField  = errors.New("a field of an HTTP/2 request is malformed, or belongs to a connection")
	ErrLength = errors.New("the Content-Length of an HTTP/2 request is malformed, or contradicts its end")
	ErrHeader = errors.New("the header of an HTTP/2 request is too long")
)

// Request is the header of a request. Its strings may be kept, Fields not beyond
// Handle.
type Request struct {
	Method, Scheme, Authority, Path string
	Fields                          []hpack.HeaderField // without Host and Content-Length; cookies are one field
	Body                            bool                // something may follow the header
	Length                          int64               // of the body in bytes, as announced; -1: it is not
	Fault                           error               // what it is to be refused for
	expects                         bool                // the client waits for 100 Continue
}

// headerBlock is a header while it is decoded.
type headerBlock struct {
	fields  []hpack.HeaderField
	pseudo  [4]string // method, scheme, authority, path
	had     [4]bool
	hosts   []string
	crumbs  []string // of Cookie (RFC 9113, 8.2.3)
	cookie  int      // its index
	left    int      // bytes that the header may still have
	lengths []string
	regular bool // a field that is none of HTTP/2's own has come
	forged  bool // it has pseudo fields that a request does not have, or a malformed field
	long    bool
	fault   error
	expects bool
}

var pseudoNames = [4]string{":method", ":scheme", ":authority", ":path"}

func (b *headerBlock) begin(most int) {
	clear(b.fields)
	*b = headerBlock{fields: b.fields[:0], hosts: b.hosts[:0], lengths: b.lengths[:0], crumbs: b.crumbs[:0], left: most}
}

// ok tells whether all of it so far is worth to be kept.
func (b *headerBlock) ok() bool { return !b.forged && !b.long }

// add is the decoder's. What is malformed or too long is decoded to its end, for
// HPACK's tables.
func (b *headerBlock) add(f hpack.HeaderField) {
	if !b.ok() {
		return
	}
	if b.left -= int(f.Size()); b.left < 0 {
		b.long = true
		return
	}
	switch {
	case !httpguts.ValidHeaderFieldValue(f.Value):
		b.forged = true
	case strings.HasPrefix(f.Name, ":"):
		b.addPseudo(f)
	case !isFieldName(f.Name):
		b.forged = true
	default:
		b.regular = true
		b.addField(f)
	}
}

func (b *headerBlock) addPseudo(f hpack.HeaderField) {
	for i, name := range pseudoNames {
		if f.Name == name {
			b.forged = b.regular || b.had[i]
			b.pseudo[i], b.had[i] = f.Value, true
			return
		}
	}
	b.forged = true
}

// addField sorts out what HTTP/2 has rules for.
func (b *headerBlock) addField(f hpack.HeaderField) {
	switch f.Name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		b.fault = ErrField
	case "te":
		if f.Value != "trailers" && f.Value != "" {
			b.fault = ErrField
		}
	case "host":
		b.hosts = append(b.hosts, f.Value)
		return
	case "content-length":
		b.lengths = append(b.lengths, f.Value)
		return
	case "cookie":
		if b.crumbs = append(b.crumbs, f.Value); len(b.crumbs) > 1 {
			return
		}
		b.cookie = len(b.fields)
	case "expect":
		b.expects = b.expects || httpguts.HeaderValuesContainsToken([]string{f.Value}, "100-continue")
	}
	b.fields = append(b.fields, f)
}

// request makes one of a header. It returns false for one that is malformed (RFC
// 9113, 8.3.1).
func (b *headerBlock) request(ended bool) (r Request, ok bool) {
	r = Request{Method: b.pseudo[0], Scheme: b.pseudo[1], Authority: b.pseudo[2], Path: b.pseudo[3], Fault: b.fault, Body: !ended, Length: -1}
	if b.long {
		r.Fault = ErrHeader
		return r, !b.forged
	}
	if b.forged || !b.checkTarget(&r) || !b.checkHost(&r) {
		return r, false
	}
	length, err := b.length(ended)
	if err != nil && r.Fault == nil {
		r.Fault = err
	}
	if len(b.crumbs) > 1 {
		b.fields[b.cookie].Value = strings.Join(b.crumbs, "; ")
	}
	r.Length = length
	r.expects = b.expects && !ended
	return r, true
}

func (b *headerBlock) checkTarget(r *Request) bool {
	if r.Method == "CONNECT" {
		return !b.had[1] && !b.had[3] && r.Authority != ""
	}
	if r.Method == "" || r.Scheme != "https" && r.Scheme != "http" {
		return false
	}
	return strings.HasPrefix(r.Path, "/") || r.Path == "*"
}

// checkHost: a Host field may only say again what :authority says.
func (b *headerBlock) checkHost(r *Request) bool {
	if r.Authority == "" && len(b.hosts) == 1 {
		r.Authority = b.hosts[0]
		return true
	}
	return len(b.hosts) == 0 || len(b.hosts) == 1 && b.hosts[0] == r.Authority
}

// length is what the client says of the body's length, -1 where it says nothing.
// Several times the same is allowed, and what contradicts the end is not.
func (b *headerBlock) length(ended bool) (int64, error) {
	n := int64(-1)
	for i, v := range b.lengths {
		said, err := strconv.ParseUint(v, 10, 63)
		if err != nil || i > 0 && int64(said) != n || ended && said > 0 { //nolint:gosec // of 63 bits
			return -1, ErrLength
		}
		n = int64(said) //nolint:gosec // as above
	}
	return n, nil
}

// readBlock decodes a header with all the frames that it is in.
func (c *Conn) readBlock(f *http2.HeadersFrame) error {
	b := &c.block
	b.begin(c.server.config.HeaderBytes)
	c.decoder.SetEmitEnabled(true)
	fragment, ended := f.HeaderBlockFragment(), f.HeadersEnded()
	for {
		// What goes on behind the limit is not decoded: the client had its say.
		if left := max(b.left, 0); len(fragment) > 2*left || !b.ok() && len(fragment) > 0 {
			return errProtocol
		}
		if _, err := c.decoder.Write(fragment); err != nil {
			return http2.ConnectionError(http2.ErrCodeCompression)
		}
		if ended {
			break
		}
		next, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		more := next.(*http2.ContinuationFrame) // the framer lets nothing else through
		fragment, ended = more.HeaderBlockFragment(), more.HeadersEnded()
	}
	if c.decoder.Close() != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	return nil
}

// isFieldName tells a token without upper-case letters.
func isFieldName(s string) bool {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' || !httpguts.IsTokenRune(rune(c)) {
			return false
		}
	}
	return s != ""
}
