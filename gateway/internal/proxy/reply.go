package proxy

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/plugin"
)

const responseLatency = "X-Kong-Response-Latency"

var (
	headerResponseLatency = []byte(responseLatency)
	headerUpstreamLatency = []byte("X-Kong-Upstream-Latency")
	headerProxyLatency    = []byte("X-Kong-Proxy-Latency")
	headerNode            = []byte("X-Gateway-Node")
	headerConnection      = []byte("Connection")
	headerUpgrade         = []byte("Upgrade")
	headerExpect          = []byte("Expect")
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
	comma                 = []byte(",")
	commaSpace            = []byte(", ")
)

// reply answers in the gateway's own name, as Kong words it. message must not
// need escaping.
func (v *visit) reply(status int, message string) {
	r := &v.Ctx.Response
	r.SetStatusCode(status)
	r.Header.SetContentTypeBytes(jsonType)
	r.SetBodyString(`{"message":"` + message + `"}`)
	v.answered()
}

// answered completes a response that no upstream made.
func (v *visit) answered() {
	h := &v.Ctx.Response.Header
	now := time.Now()
	v.ownTime = now.Sub(v.Started)
	if len(h.Peek("Date")) == 0 { // a stored answer has the origin's
		setDate(h, now)
	}
	setMillis(h, headerResponseLatency, v.ownTime)
	h.SetCanonical(headerServer, serverValue)
	v.sign()
}

// setDate gives an answer the gateway's own Date.
func setDate(h *fasthttp.ResponseHeader, at time.Time) {
	var text [32]byte
	plugin.SetDate(h, fasthttp.AppendHTTPDate(text[:0], at))
}

// sign says which replica it was.
func (v *visit) sign() {
	if v.proxy.config.NodeHeader {
		v.Ctx.Response.Header.SetCanonical(headerNode, v.proxy.nodeName)
	}
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

// header answers the router's question for a header.
func (v *visit) header(name string) []string {
	raw := v.Ctx.Request.Header.PeekAll(name)
	out := make([]string, len(raw))
	for i, b := range raw {
		out[i] = string(b)
	}
	return out
}
