package plugin

import (
	"bytes"
	"encoding/hex"
	"iter"

	"github.com/valyala/fasthttp"
)

// DecodeName decodes a parameter's name in a query or a form; what is no escape
// stays as it is. The result is name itself where there is nothing to decode.
func DecodeName(name []byte) []byte {
	if bytes.IndexByte(name, '%') < 0 && bytes.IndexByte(name, '+') < 0 {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(name):
			var b [1]byte
			if _, err := hex.Decode(b[:], name[i+1:i+3]); err == nil {
				c = b[0]
				i += 2
			}
		}
		out = append(out, c)
	}
	return out
}

// Values are the values of a parameter in a query or a form, decoded; of a name
// without "=" there is none.
func Values(raw []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for pair := range bytes.SplitSeq(raw, []byte{'&'}) {
			key, value, ok := bytes.Cut(pair, []byte{'='})
			if ok && string(DecodeName(key)) == name && !yield(DecodeName(value)) {
				return
			}
		}
	}
}

// HasName tells whether a query or a form has a parameter of that name, with or
// without a value.
func HasName(raw []byte, name string) bool {
	for pair := range bytes.SplitSeq(raw, []byte{'&'}) {
		key, _, _ := bytes.Cut(pair, []byte{'='})
		if len(key) > 0 && string(DecodeName(key)) == name {
			return true
		}
	}
	return false
}

// HasField tells whether a request has a header field. Peek alone does not: of the
// fields that the codec keeps apart (Content-Type, User-Agent) it returns an empty
// value that is not nil where an earlier request on the connection had one.
func HasField(h *fasthttp.RequestHeader, name string) bool { return len(h.PeekAll(name)) > 0 }

// Query is what follows the question mark of a request's target.
func Query(h *fasthttp.RequestHeader) []byte {
	_, query, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	return query
}
