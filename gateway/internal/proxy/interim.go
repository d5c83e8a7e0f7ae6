package proxy

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/h2"
)

// passInterim passes an interim answer of the upstream (103 Early Hints, say) on
// to the client: upstream.Call's OnInterim. No plugin sees it. Where an answer to
// an earlier request of a pipeline may still be in the codec's buffer it is
// dropped, and over HTTP/1.0, which has none.
func (v *visit) passInterim(h *fasthttp.ResponseHeader) {
	c := v.Ctx.Conn()
	if s := streamOf(c); s != nil {
		s.interim(h)
		return
	}
	client := clientOf(c)
	if client == nil || client.pipelined || !v.Ctx.Request.Header.IsHTTP11() {
		return
	}
	status := h.StatusCode()
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(status)...)
	b = append(append(append(b, ' '), fasthttp.StatusMessage(status)...), crlf...)
	eachInterim(h, func(name, value string) { b = appendField(b, name, value) })
	_, _ = client.Write(append(b, crlf...)) // an error comes again with the answer
}

// interim sends an interim answer over HTTP/2.
func (c *streamConn) interim(h *fasthttp.ResponseHeader) {
	var fields []h2.Field
	eachInterim(h, func(name, value string) { fields = append(fields, h2.Field{Name: []byte(name), Value: []byte(value)}) })
	c.stream.SendInterim(h.StatusCode(), fields)
}

// eachInterim goes through the fields of an interim answer that are for the client.
func eachInterim(h *fasthttp.ResponseHeader, pass func(name, value string)) {
	listed := appendListed(nil, h.PeekAll("Connection"), nil)
	isListed := func(name []byte) bool {
		return slices.ContainsFunc(listed, func(l []byte) bool { return bytes.EqualFold(l, name) })
	}
	for name, value := range h.All() {
		switch key := string(name); {
		case isListed(name), framesOrConnects(key), isHopByHop(name), http.CanonicalHeaderKey(key) == fasthttp.HeaderSetCookie:
		case !isText(value) || len(value) == 0:
		default:
			pass(key, string(value))
		}
	}
}
