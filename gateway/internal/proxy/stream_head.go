package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/h2"
)

// What the codec of HTTP/2 takes and is no request.
var (
	errStreamTarget = errors.New("the path of an HTTP/2 request has white space or control characters")
	errStreamHost   = errors.New("the host of an HTTP/2 request has white space or control characters, or is there twice")
)

// read makes the request one as if it had come over HTTP/1.1: its header is
// written out as such, and read by the same code. So everything that holds for
// the one holds for the other.
func (x *stream) read(r *h2.Request) error {
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
	if x.body != nil {
		x.ctx.Request.SetBodyStream(x.body, int(r.Length)) // -1: unknown
	}
	return nil
}

// appendHead writes the request's header out. What could end a line or the header
// there is refused; the codec has refused most of it before.
func appendHead(b []byte, r *h2.Request) ([]byte, error) {
	if r.Fault != nil {
		return b, r.Fault
	}
	target := r.Path
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
	if r.Authority != "" {
		if !isWord(r.Authority) {
			return b, errStreamHost
		}
		b = appendField(b, "Host", r.Authority)
	}
	if r.Length >= 0 {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.Length, 10)
		b = append(b, crlf...)
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if !isFieldName(f.Name) || framesOrConnects(f.Name) || !isText(f.Value) {
			return b, h2.ErrField
		}
		b = appendField(b, f.Name, f.Value)
	}
	return append(b, crlf...), nil
}

// framesOrConnects tells whether a field says where a message of HTTP/1.1 ends, for
// whom it is, or what becomes of its connection.
func framesOrConnects(name string) bool {
	for _, n := range []string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"} {
		if len(name) == len(n) && strings.EqualFold(name, n) {
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

// appendAnswer appends the fields of an answer, without those of a connection: there
// is none of the kind. They are views of the header.
func appendAnswer(to []h2.Field, from *fasthttp.ResponseHeader) []h2.Field {
	for name, value := range from.All() {
		switch string(name) {
		case fasthttp.HeaderContentLength, "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
			continue
		}
		to = append(to, h2.Field{Name: name, Value: value})
	}
	return to
}
