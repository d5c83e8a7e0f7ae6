package proxy

import (
	"errors"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/h2"
)

// badRequest answers a request whose header the codec cannot read.
func (p *Proxy) badRequest(ctx *fasthttp.RequestCtx, err error) {
	status, message := fasthttp.StatusBadRequest, "Bad request"
	switch {
	case isTooLong(err):
		status, message = fasthttp.StatusRequestHeaderFieldsTooLarge, "Request header or cookie too large"
	case isTimeout(err):
		status, message = fasthttp.StatusRequestTimeout, "Request timeout"
	}
	if c := clientOf(ctx.Conn()); c != nil {
		c.phase.Store(phaseBody) // the rest of it may be on its way
	}
	r := &ctx.Response
	r.Reset()
	r.SetStatusCode(status)
	r.Header.SetContentTypeBytes(jsonType)
	r.Header.SetCanonical(headerServer, serverValue)
	r.SetBodyString(`{"message":"` + message + `"}`)
	r.SetConnectionClose()
	p.metrics.unknown.count(status)
	if p.access.wants(status, nil, time.Now()) { // no failure: a client may send as many as it likes
		p.access.writeUnread(status, peerIP(ctx).String(), headerFault(err))
	}
}

func isTooLong(err error) bool {
	var small *fasthttp.ErrSmallBuffer
	return errors.As(err, &small) || errors.Is(err, h2.ErrHeader)
}

// headerFaults are the codec's errors, by identity or by how their texts begin,
// in words of our own: the codec's quote what the client sent, and keys and
// cookies must not reach the log.
var headerFaults = []struct {
	err    error
	prefix string
	reason string
}{
	{err: fasthttp.ErrDuplicateContentLength, reason: "several Content-Length fields"},
	{err: fasthttp.ErrUnsupportedTransferEncoding, reason: "unsupported Transfer-Encoding"},
	{err: fasthttp.ErrMissingRequestMethod, reason: "no method"},
	{err: fasthttp.ErrUnsupportedRequestMethod, reason: "malformed method"},
	{err: fasthttp.ErrEmptyRequestURI, reason: "malformed request target"},
	{err: fasthttp.ErrorInvalidURI, reason: "malformed request target"},
	{err: errStreamTarget, reason: "malformed request target"},
	{err: errStreamHost, reason: "malformed host"},
	{err: h2.ErrField, reason: "malformed or forbidden field"},
	{err: h2.ErrLength, reason: "wrong Content-Length"},
	{prefix: "invalid request uri", reason: "malformed request target"},
	{prefix: "unsupported http version", reason: "malformed HTTP version"},
	{prefix: "missing required host header", reason: "no Host field"},
	{prefix: "too many host headers", reason: "several Host fields"},
	{prefix: "invalid header key", reason: "malformed field name"},
	{prefix: "invalid header value", reason: "malformed field value"},
}

// headerFault says why a request's header could not be read.
func headerFault(err error) string {
	const what = "read the request header: "
	if isTimeout(err) {
		return what + "it did not come in time"
	}
	if isTooLong(err) {
		return what + "longer than client_header_bytes"
	}
	text := strings.TrimPrefix(err.Error(), "error when reading request headers: ")
	for _, f := range headerFaults {
		if f.err != nil && errors.Is(err, f.err) || f.prefix != "" && strings.HasPrefix(text, f.prefix) {
			return what + f.reason
		}
	}
	return what + "malformed or incomplete"
}
