package engine

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/otlp"
)

const userAgent = "gatelab"

// template is a request as the bytes that go over the wire, with gaps for the
// id, the key and the length.
type template struct {
	method string
	path   []string // between placeholders
	head   string   // from " HTTP/1.1" to the last header that never changes
	body   []string // between placeholders; none where the request has no body
	fixed  int      // length of the body without its ids
}

func newTemplate(host string, r load.Request) template {
	var h strings.Builder
	h.WriteString(" HTTP/1.1\r\nHost: " + host + "\r\n")
	given := make(map[string]bool, len(r.Header))
	// Sorted, so that the same attack sends the same bytes.
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		name := http.CanonicalHeaderKey(k)
		given[name] = true
		if name == "Host" {
			continue // it stands above
		}
		h.WriteString(k + ": " + r.Header[k] + "\r\n")
	}
	if !given["User-Agent"] {
		h.WriteString("User-Agent: " + userAgent + "\r\n")
	}
	if r.Body != "" && !given["Content-Type"] {
		h.WriteString("Content-Type: application/json\r\n")
	}
	t := template{method: r.Method + " ", path: strings.Split(r.Path, load.Placeholder), head: h.String()}
	switch {
	case r.Body == "" && (r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch):
		t.body = []string{""} // these say that they have none
	case r.Body != "":
		t.body = []string{r.Body}
		if r.IDs > 0 {
			t.body = strings.Split(r.Body, load.Placeholder)
		}
		for _, s := range t.body {
			t.fixed += len(s)
		}
	}
	return t
}

// append adds the whole request to b.
func (t *template) append(b []byte, d draw, key string) []byte {
	id := d.id
	b = append(b, t.method...)
	b = t.appendPath(b, id)
	b = append(b, t.head...)
	if key != "" {
		b = append(b, keyHeader+": "...)
		b = append(b, key...)
		b = append(b, "\r\n"...)
	}
	if d.req.Addresses > 0 {
		b = append(b, load.AddressHeader+": "...)
		b = append(load.AppendAddress(b, d.from), "\r\n"...)
	}
	if d.trace != nil {
		b = append(b, otlp.TraceparentHeader+": "...)
		b = append(append(b, d.trace...), "\r\n"...)
	}
	if t.body != nil {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(t.fixed+(len(t.body)-1)*width(id)), 10)
		b = append(b, "\r\n"...)
	}
	b = append(b, "\r\n"...)
	return t.appendBody(b, id)
}

func (t *template) appendPath(b []byte, id int) []byte { return fill(b, t.path, id) }
func (t *template) appendBody(b []byte, id int) []byte { return fill(b, t.body, id) }

func fill(b []byte, parts []string, id int) []byte {
	for i, s := range parts {
		if i > 0 {
			b = strconv.AppendInt(b, int64(id), 10)
		}
		b = append(b, s...)
	}
	return b
}

// width is the number of a decimal's digits.
func width(n int) int {
	w := 1
	for n >= 10 {
		n /= 10
		w++
	}
	return w
}
