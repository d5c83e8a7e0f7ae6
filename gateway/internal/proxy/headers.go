package proxy

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// copyHeader makes the upstream's header of the client's, which is complete and
// free of what belongs to the client's connection.
func copyHeader(h, from *fasthttp.RequestHeader, websocket, trailers bool) {
	from.CopyTo(h)
	h.SetProtocolBytes(http11) // an HTTP/1.0 client must not cost the upstream's keep-alive
	h.SetNoDefaultContentType(true)
	h.ResetConnectionClose() // the client's connection, not the upstream's
	switch {
	case websocket:
		h.SetCanonical(headerConnection, tokenUpgrade)
		h.SetCanonical(headerUpgrade, tokenWebSocket)
	case trailers:
		h.SetCanonical(headerConnection, headerTE)
		h.SetCanonical(headerTE, tokenTrailers)
	}
}

// provenance is where a request came from, and by which way, as the upstream is
// told. What the client says itself is believed only from trusted proxies.
type provenance struct {
	x         *plugin.Exchange
	requester *requester
	fields    fieldSet
	prefix    string // part of the path that the route's own path took
	port      string // that the client connected to
	via       string // of this gateway
}

// write writes the fields into the client's request.
func (o provenance) write() {
	h := &o.x.Ctx.Request.Header
	set := func(name []byte, own string) {
		if !o.requester.trusted || len(h.PeekBytes(name)) == 0 {
			plugin.SetCanonicalField(h, name, own)
		}
	}
	list := o.requester.peerText
	if had := h.PeekAll("X-Forwarded-For"); len(had) > 0 {
		list = string(bytes.Join(had, commaSpace)) + ", " + list
	}
	plugin.SetCanonicalField(h, headerForwardedFor, list)
	plugin.SetCanonicalField(h, headerRealIP, o.x.ClientIP)
	set(headerForwardedProto, o.x.Scheme)
	set(headerForwardedHost, o.x.Host)
	set(headerForwardedPort, o.port)
	// Without the query, which may carry secrets that a plugin has hidden.
	set(headerForwardedPath, view(pathOf(h.RequestURI())))
	if r := o.x.Route; r != nil && r.StripPath && o.prefix != "" && o.prefix != "/" {
		set(headerForwardedPrefix, route.Escape(o.prefix)) // a regular expression may take any character
	} else if !o.requester.trusted {
		plugin.DeleteField(h, "X-Forwarded-Prefix")
	}
	o.writeForwarded(h)
	via := o.via
	switch {
	case !h.IsHTTP11():
		via = "1.0" + strings.TrimPrefix(via, "1.1")
	case streamOf(o.x.Ctx.Conn()) != nil:
		via = "2" + strings.TrimPrefix(via, "1.1")
	}
	if o.fields&fieldVia != 0 {
		via = string(bytes.Join(h.PeekAll("Via"), commaSpace)) + ", " + via
	}
	plugin.SetCanonicalField(h, headerVia, via)
}

// writeForwarded appends to a Forwarded field that a trusted proxy has begun, and
// drops any other: it would contradict X-Forwarded-*.
func (o provenance) writeForwarded(h *fasthttp.RequestHeader) {
	switch {
	case o.fields&fieldForwarded == 0:
	case !o.requester.trusted:
		plugin.DeleteField(h, "Forwarded")
	default:
		node := o.requester.peerText
		if o.requester.peer.Is6() {
			node = `"[` + node + `]"`
		}
		plugin.SetField(h, "Forwarded", string(bytes.Join(h.PeekAll("Forwarded"), commaSpace))+", for="+node)
	}
}

// passHeader takes off an answer what belongs to the upstream's connection,
// and appends the gateway to the answer's way.
func passHeader(h *fasthttp.ResponseHeader, via string, upgraded bool) {
	if connection := h.PeekAll("Connection"); len(connection) > 0 {
		for _, name := range appendListed(nil, connection, nil) {
			plugin.DeleteResponseField(h, view(name))
		}
		plugin.DeleteResponseField(h, "Connection") // also forgets "close": that was the upstream's connection
	}
	for _, name := range hopByHop {
		plugin.DeleteResponseField(h, name)
	}
	plugin.DeleteResponseField(h, "Upgrade")
	if upgraded {
		h.SetCanonical(headerConnection, tokenUpgrade)
		h.SetCanonical(headerUpgrade, tokenWebSocket) // the only protocol that is passed on
	}
	if had := h.PeekAll("Via"); len(had) > 0 {
		via = string(bytes.Join(had, commaSpace)) + ", " + via
		plugin.DeleteResponseField(h, "Via")
	}
	h.Set("Via", via)
	if len(h.Peek("Date")) == 0 {
		setDate(h, time.Now())
	}
}

// portOf is the port that the client connected to.
func (p *Proxy) portOf(ctx *fasthttp.RequestCtx) string {
	if c := clientOf(ctx.Conn()); c != nil && c.port != "" {
		return c.port
	}
	if s := streamOf(ctx.Conn()); s != nil && s.client.port != "" {
		return s.client.port
	}
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
	return upstream.Authority(address, protocol == "https" || protocol == "grpcs")
}
