package proxy

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/route"
	"gatelab/gateway/internal/upstream"
)

// prepare makes the upstream's request of the client's, which clean has
// already freed of what belongs to the client's connection.
func (v *visit) prepare(req *fasthttp.Request) {
	v.complete()
	h := &req.Header
	v.Ctx.Request.Header.CopyTo(h)
	h.SetProtocolBytes(http11) // an HTTP/1.0 client must not cost the upstream's keep-alive
	h.SetNoDefaultContentType(true)
	h.ResetConnectionClose() // the client's connection, not the upstream's
	if v.websocket {
		h.SetCanonical(headerConnection, tokenUpgrade)
		h.SetCanonical(headerUpgrade, tokenWebSocket)
	}
	v.target(h)
}

// setOne sets a field and drops every other of its name. Set alone replaces
// the first of them, and what a client sent twice would reach the upstream.
func setOne(h *fasthttp.RequestHeader, name, value string) {
	h.Del(name)
	h.Set(name, value)
}

// target sets the path and the host that the upstream is asked for.
func (v *visit) target(h *fasthttp.RequestHeader) {
	uri := v.Ctx.Request.Header.RequestURI()
	buf := route.AppendUpstreamPath(v.uri[:0], v.Route, v.Service.Path, v.match.Path, v.prefix)
	if i := bytes.IndexByte(uri, '?'); i >= 0 {
		buf = append(buf, uri[i:]...)
	}
	h.SetRequestURIBytes(buf)
	v.uri = buf
	switch {
	case v.Route.PreserveHost && len(h.Host()) > 0: // HTTP/1.0 may come without
		v.call.KeepHost = true
	case v.routed.balancer.HostHeader != "":
		h.SetHost(v.routed.balancer.HostHeader)
		v.call.KeepHost = true
	default:
		h.SetHost(v.routed.host) // until a target is chosen: with each attempt it becomes that target's
	}
}

// complete writes into the client's request, once, the fields that the gateway
// adds when it forwards: where the request came from, and by which way. What
// the client says itself is believed only from trusted proxies. A request that
// is answered without the upstream does without, unless a plugin asks for them.
func (v *visit) complete() {
	if v.completed {
		return
	}
	v.completed = true
	h := &v.Ctx.Request.Header
	set := func(name, own string) {
		if !v.trusted || len(h.Peek(name)) == 0 {
			setOne(h, name, own)
		}
	}
	list := v.peerText
	if had := h.PeekAll("X-Forwarded-For"); len(had) > 0 {
		list = string(bytes.Join(had, commaSpace)) + ", " + list
	}
	setOne(h, "X-Forwarded-For", list)
	setOne(h, "X-Real-IP", v.ClientIP)
	set("X-Forwarded-Proto", v.Scheme)
	set("X-Forwarded-Host", v.Host)
	set("X-Forwarded-Port", v.proxy.portOf(v.Ctx))
	// Without the query, which may carry secrets that a plugin has hidden.
	set("X-Forwarded-Path", view(pathOf(h.RequestURI())))
	if v.Route != nil && v.Route.StripPath && v.prefix != "" && v.prefix != "/" {
		set("X-Forwarded-Prefix", v.prefix)
	} else if !v.trusted {
		h.Del("X-Forwarded-Prefix")
	}
	v.completeForwarded(h)
	via := v.proxy.via
	if !h.IsHTTP11() {
		via = "1.0" + strings.TrimPrefix(via, "1.1")
	}
	if v.fields.has&fieldVia != 0 {
		via = string(bytes.Join(h.PeekAll("Via"), commaSpace)) + ", " + via
	}
	setOne(h, "Via", via)
}

// completeForwarded goes on with a Forwarded field that a trusted proxy has
// begun, and drops any other: it would contradict X-Forwarded-*.
func (v *visit) completeForwarded(h *fasthttp.RequestHeader) {
	switch {
	case v.fields.has&fieldForwarded == 0:
	case !v.trusted:
		h.Del("Forwarded")
	default:
		node := v.peerText
		if v.peer.Is6() {
			node = `"[` + node + `]"`
		}
		setOne(h, "Forwarded", string(bytes.Join(h.PeekAll("Forwarded"), commaSpace))+", for="+node)
	}
}

// finishHeader takes off an answer what belongs to the upstream's connection,
// and appends the gateway to the answer's way.
func (v *visit) finishHeader(h *fasthttp.ResponseHeader) {
	if connection := h.PeekAll("Connection"); len(connection) > 0 {
		dropListed(connection, nil, h.DelBytes)
		h.Del("Connection") // also forgets "close": that was the upstream's connection
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
	h.Del("Upgrade")
	if v.call.Upgraded != nil {
		h.SetCanonical(headerConnection, tokenUpgrade)
		h.SetCanonical(headerUpgrade, tokenWebSocket) // the only protocol that is passed on
	}
	via := v.proxy.via
	if had := h.PeekAll("Via"); len(had) > 0 {
		via = string(bytes.Join(had, commaSpace)) + ", " + via
		h.Del("Via")
	}
	h.Set("Via", via)
	if len(h.Peek("Date")) == 0 {
		setDate(h, time.Now())
	}
}

// portOf is the port that the client connected to. There is one listener, so
// that it is written out once.
func (p *Proxy) portOf(ctx *fasthttp.RequestCtx) string {
	a, ok := ctx.LocalAddr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	if had := p.port.Load(); had != nil && had.number == a.Port {
		return had.text
	}
	made := &port{a.Port, strconv.Itoa(a.Port)}
	p.port.Store(made)
	return made.text
}

type port struct {
	number int
	text   string
}

func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i > strings.LastIndexByte(host, ']') {
		return host[:i]
	}
	return host // an IPv6 address keeps its brackets
}

// hostPort is the Host header of a service's own host.
func hostPort(host string, port int, protocol string) string {
	address := net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
	return upstream.Authority(address, protocol == "https")
}
