package proxy

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

const responseLatency = "X-Kong-Response-Latency"

var (
	headerResponseLatency = []byte(responseLatency)
	headerUpstreamLatency = []byte("X-Kong-Upstream-Latency")
	headerProxyLatency    = []byte("X-Kong-Proxy-Latency")
	headerNode            = []byte("X-Gateway-Node")
	headerRevision        = []byte("X-Gateway-Revision")
	headerConnection      = []byte("Connection")
	headerUpgrade         = []byte("Upgrade")
	headerExpect          = []byte("Expect")
	headerTE              = []byte("Te") // as the codec keeps it
	headerVia             = []byte("Via")
	headerRealIP          = []byte("X-Real-Ip")
	headerForwardedFor    = []byte("X-Forwarded-For")
	headerForwardedProto  = []byte("X-Forwarded-Proto")
	headerForwardedHost   = []byte("X-Forwarded-Host")
	headerForwardedPort   = []byte("X-Forwarded-Port")
	headerForwardedPath   = []byte("X-Forwarded-Path")
	headerForwardedPrefix = []byte("X-Forwarded-Prefix")
	headerServer          = []byte("Server")
	serverValue           = []byte("gatelab")
	jsonType              = []byte("application/json; charset=utf-8")
	http11                = []byte("HTTP/1.1")
	schemeHTTP            = []byte("http")
	schemeHTTPS           = []byte("https")
	tokenClose            = []byte("close")
	tokenKeepAlive        = []byte("keep-alive")
	tokenUpgrade          = []byte("upgrade")
	tokenWebSocket        = []byte("websocket")
	tokenContinue         = []byte("100-continue")
	tokenTrailers         = []byte("trailers")
	comma                 = []byte(",")
	commaSpace            = []byte(", ")
)

// response is the answer to the client, where the gateway has a say in it.
type response struct {
	x      *plugin.Exchange
	record *record
	node   []byte // what names this replica in answers; nil: nothing
	// revision is that of the configuration that the request is served by; nil: it is not told.
	revision []byte
}

// reply answers in the gateway's own name, as Kong words it. message must not
// need escaping.
func (a *response) reply(status int, message string) {
	r := &a.x.Ctx.Response
	r.SetStatusCode(status)
	r.Header.SetContentTypeBytes(jsonType)
	r.SetBodyString(`{"message":"` + message + `"}`)
	a.complete()
}

// complete completes an answer that no upstream made.
func (a *response) complete() {
	h := &a.x.Ctx.Response.Header
	now := time.Now()
	a.record.ownTime = now.Sub(a.x.Started)
	if len(h.Peek("Date")) == 0 { // a stored answer has the origin's
		setDate(h, now)
	}
	setMillis(h, headerResponseLatency, a.record.ownTime)
	h.SetCanonical(headerServer, serverValue)
	a.sign()
}

// sign says which replica it was.
func (a *response) sign() {
	if a.node != nil {
		a.x.Ctx.Response.Header.SetCanonical(headerNode, a.node)
	}
	if a.revision != nil {
		a.x.Ctx.Response.Header.SetCanonical(headerRevision, a.revision)
	}
}

// pass turns the upstream's header into the client's.
func (a *response) pass(via string, upgraded bool) {
	h := &a.x.Ctx.Response.Header
	passHeader(h, via, upgraded)
	plugin.DeleteResponseField(h, responseLatency) // another gateway's; here it would say that this one answered
	setMillis(h, headerUpstreamLatency, a.x.UpstreamLatency)
	setMillis(h, headerProxyLatency, a.record.ownTime)
	a.sign()
}

// empty frames the answer to a HEAD that a plugin has made of the client's
// request: the client waits for a body, and there is none.
func (a *response) empty() {
	r := &a.x.Ctx.Response
	r.SkipBody = false
	r.ResetBody()
	plugin.DeleteResponseField(&r.Header, fasthttp.HeaderContentEncoding)
	r.Header.SetContentLength(0)
}

// refuse answers a request that is not admitted, or has no route.
func (a *response) refuse(r *refusal) {
	x := a.x
	if r == errMethod {
		x.Ctx.Response.Header.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	a.reply(r.status, r.message)
	if r.status == fasthttp.StatusNotFound {
		return
	}
	a.record.refused = r
	if x.ClientIP == "" {
		x.ClientIP = peerIP(x.Ctx).String()
	}
	x.Ctx.Response.SetConnectionClose()
}

// askForHTTPS answers plain http on a route that takes https only.
func (a *response) askForHTTPS(status int, host string) {
	ctx := a.x.Ctx
	h := &ctx.Response.Header
	if status == fasthttp.StatusUpgradeRequired {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", "TLS/1.2, HTTP/1.1")
		a.reply(status, "Please use HTTPS protocol")
		return
	}
	h.Set(fasthttp.HeaderLocation, "https://"+hostOnly(host)+string(ctx.Request.Header.RequestURI()))
	ctx.Response.SetStatusCode(status)
	a.complete()
}

func (a *response) tooLarge() {
	a.reply(fasthttp.StatusRequestEntityTooLarge, "Request size limit exceeded")
	a.x.Ctx.Response.SetConnectionClose()
}

// badBody answers a client whose body did not come.
func (a *response) badBody(err error) {
	a.record.failure = fmt.Errorf("read the request body: %w", err)
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		a.reply(fasthttp.StatusRequestTimeout, "Request body timeout")
	} else {
		a.reply(fasthttp.StatusBadRequest, "Bad request")
	}
	a.x.Ctx.Response.SetConnectionClose()
}

// noAnswer answers for an upstream that did not; lost says that the client has
// left meanwhile.
func (a *response) noAnswer(err error, lost bool) {
	a.record.failure = err
	var (
		dns     *net.DNSError
		body    *upstream.BodyError
		timeout interface{ Timeout() bool }
	)
	switch {
	case lost:
		a.record.failure = fmt.Errorf("the client went away: %w", err)
		a.reply(statusClientGone, "client closed request")
		a.x.Ctx.Response.SetConnectionClose()
	case errors.Is(err, errBodyTooLarge):
		a.tooLarge()
	case errors.As(err, &body):
		a.badBody(body.Err)
	case errors.Is(err, upstream.ErrNoTarget):
		a.reply(fasthttp.StatusServiceUnavailable, upstream.ErrNoTarget.Error())
	case errors.As(err, &dns):
		a.reply(fasthttp.StatusServiceUnavailable, "name resolution failed")
	case errors.As(err, &timeout) && timeout.Timeout():
		a.reply(fasthttp.StatusGatewayTimeout, "The upstream server is timing out")
	default:
		a.reply(fasthttp.StatusBadGateway, "An invalid response was received from the upstream server")
	}
	if a.x.Ctx.Request.IsBodyStream() {
		a.x.Ctx.Response.SetConnectionClose() // what is left of the body was not read
	}
}

// statusClientGone is nginx's: the client left before there was an answer.
const statusClientGone = 499

// setDate gives an answer the gateway's own Date.
func setDate(h *fasthttp.ResponseHeader, at time.Time) {
	var text [32]byte
	plugin.SetDate(h, fasthttp.AppendHTTPDate(text[:0], at))
}

func setMillis(h *fasthttp.ResponseHeader, name []byte, d time.Duration) {
	var digits [20]byte
	h.SetCanonical(name, strconv.AppendInt(digits[:0], d.Milliseconds(), 10))
}

// pathOf is a request target without its query.
func pathOf(uri []byte) []byte {
	for i, c := range uri {
		if c == '?' {
			return uri[:i]
		}
	}
	return uri
}

// view is a string over bytes that stay as they are until the request ends.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
