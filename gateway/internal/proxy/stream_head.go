package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// What the codec of HTTP/2 takes and is no request.
var (
	errStreamTarget = errors.New("the path of an HTTP/2 request has white space or control characters")
	errStreamHost   = errors.New("the host of an HTTP/2 request has white space or control characters, or is there twice")
	errStreamField  = errors.New("a field of an HTTP/2 request is malformed, or belongs to a connection")
	errStreamLength = errors.New("the Content-Length of an HTTP/2 request is malformed, or contradicts its end")
)

// read makes the request one as if it had come over HTTP/1.1: its header is
// written out as such, and read by the same code. So everything that holds for
// the one holds for the other.
func (x *stream) read(r *http.Request) error {
	head, err := appendHead(x.head[:0], r)
	x.head = head
	if err != nil {
		return err
	}
	x.src.Reset(head)
	x.br.Reset(&x.src)
	h := &x.ctx.Request.Header
	if err := h.Read(x.br); err != nil {
		return err
	}
	if r.ContentLength != 0 { // -1: unknown
		x.ctx.Request.SetBodyStream(x.body, int(r.ContentLength))
	}
	return nil
}

// appendHead writes the request's header out. What could end a line or the header
// there is refused; the codec has refused most of it before.
func appendHead(b []byte, r *http.Request) ([]byte, error) {
	target := r.RequestURI
	if r.Method == http.MethodConnect {
		target = "/" // it is refused by its method
	}
	if !isWord(r.Method) || !isWord(target) {
		return b, errStreamTarget
	}
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\n"...)
	if len(r.Header["Host"]) > 0 || r.Host != "" && !isWord(r.Host) {
		return b, errStreamHost
	}
	if r.Host != "" {
		b = appendField(b, "Host", r.Host)
	}
	length, err := contentLength(r)
	if err != nil {
		return b, err
	}
	if length >= 0 {
		b = appendField(b, fasthttp.HeaderContentLength, strconv.FormatInt(length, 10))
	}
	for name, values := range r.Header {
		if name == fasthttp.HeaderContentLength {
			continue
		}
		if !isFieldName(name) || framesOrConnects(name) {
			return b, errStreamField
		}
		for _, v := range values {
			if !isText([]byte(v)) {
				return b, errStreamField
			}
			b = appendField(b, name, v)
		}
	}
	for name := range r.Trailer { // announced; the codec took it off the header
		b = appendField(b, fasthttp.HeaderTrailer, name)
	}
	return append(b, crlf...), nil
}

// framesOrConnects tells whether a field says where a message of HTTP/1.1 ends, for
// whom it is, or what becomes of its connection.
func framesOrConnects(name string) bool {
	for _, n := range []string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"} {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, crlf...)
}

// contentLength is what the client says of a body's length, -1 where it says
// nothing. It must agree with whether there is a body.
func contentLength(r *http.Request) (int64, error) {
	values := r.Header[fasthttp.HeaderContentLength]
	if len(values) == 0 {
		return -1, nil
	}
	for _, v := range values {
		n, err := strconv.ParseUint(v, 10, 63)
		if err != nil || int64(n) != r.ContentLength { //nolint:gosec // of 63 bits
			return 0, errStreamLength
		}
	}
	return r.ContentLength, nil
}

// isWord tells whether there is something without white space or control
// characters.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

func isFieldName(s string) bool {
	for i := range len(s) {
		if !isToken(s[i]) {
			return false
		}
	}
	return s != ""
}

// copyAnswer copies the fields of an answer, without those of a connection: there
// is none of the kind.
func copyAnswer(to http.Header, from *fasthttp.ResponseHeader) {
	for name, value := range from.All() {
		switch string(name) {
		case fasthttp.HeaderContentLength, "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
			continue
		}
		key := string(name)
		to[key] = append(to[key], string(value))
	}
	for _, name := range []string{"Date", fasthttp.HeaderContentType} {
		if to[name] == nil {
			to[name] = nil // the codec would add its own
		}
	}
}

func setLength(h http.Header, n int) { h.Set(fasthttp.HeaderContentLength, strconv.Itoa(n)) }
