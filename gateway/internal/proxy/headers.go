package proxy

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/route"
)

// hopByHop belong to one connection (RFC 9110, 7.6.1). Transfer-Encoding and
// Content-Length are the codec's. Expect was answered by the gateway itself.
var (
	hopByHop        = []string{"Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Upgrade"}
	hopByHopRequest = append([]string{"Expect", "Proxy"}, hopByHop...)
)

// kept are fields that no Connection header may take off a request: what the
// gateway says of the client there is not the client's to withdraw.
var kept = [][]byte{[]byte("X-Consumer-"), []byte("X-Credential-"), []byte("X-Anonymous-"), []byte("Host"), []byte("Content-Length"), []byte("Content-Type")}

// prepare makes the upstream's request of the client's: target, host,
// forwarded headers, without what belongs to the client's connection, but for
// the wish to switch protocols.
func (v *visit) prepare(req *fasthttp.Request) {
	in := &v.Ctx.Request.Header
	in.CopyTo(&req.Header)
	h := &req.Header
	h.SetProtocolBytes(http11) // an HTTP/1.0 client must not cost the upstream's keep-alive
	h.SetNoDefaultContentType(true)
	h.Del("Connection") // what it lists is off already
	for _, name := range hopByHopRequest {
		h.Del(name)
	}
	if protocol := in.Peek("Upgrade"); len(protocol) > 0 && in.ConnectionUpgrade() {
		h.Set("Connection", "Upgrade")
		h.SetBytesV("Upgrade", protocol)
	}
	if !v.completed {
		v.forwarded(h)
	}
	v.target(h)
}

// dropListed deletes the fields that a Connection header names.
func dropListed(connection [][]byte, del func(name []byte)) {
	for _, list := range connection {
		for len(list) > 0 {
			var name []byte
			name, list, _ = bytes.Cut(list, comma)
			name = bytes.TrimSpace(name)
			if len(name) == 0 || bytes.EqualFold(name, tokenClose) || bytes.EqualFold(name, tokenKeepAlive) || isKept(name) {
				continue
			}
			del(name)
		}
	}
}

func isKept(name []byte) bool {
	for _, prefix := range kept {
		if len(name) >= len(prefix) && bytes.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
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
	case v.routed.balancer.HostHeader != "":
		h.SetHost(v.routed.balancer.HostHeader)
	default:
		h.SetHost(v.routed.host)
	}
}

// forwarded says to the upstream where the request came from. What the client
// says itself is believed only from trusted proxies.
func (v *visit) forwarded(h *fasthttp.RequestHeader) {
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
	set("X-Forwarded-Path", view(pathOf(v.Ctx.Request.Header.RequestURI())))
	if v.Route.StripPath && v.prefix != "" && v.prefix != "/" {
		set("X-Forwarded-Prefix", v.prefix)
	} else if !v.trusted {
		h.Del("X-Forwarded-Prefix")
	}
}

// removeHopByHop takes off what belongs to the upstream's connection.
func removeHopByHop(h *fasthttp.ResponseHeader) {
	if connection := h.PeekAll("Connection"); len(connection) > 0 {
		dropListed(connection, h.DelBytes)
		h.Del("Connection") // also forgets "close": that was the upstream's connection
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// identify sets who asks: the peer, or what a trusted proxy says in
// X-Forwarded-For (the last address that is not a trusted proxy itself), else
// in X-Real-IP.
func (v *visit) identify() {
	peer := peerIP(v.Ctx)
	if peer != v.peer || v.peerText == "" {
		// Most of a gateway's requests come from few addresses.
		v.peer, v.peerText = peer, peer.String()
	}
	v.ClientIP, v.trusted = v.peerText, false
	v.Scheme, v.Host = v.match.Scheme, hostOnly(v.match.Host)
	p := v.proxy
	if len(p.config.TrustedProxies) == 0 || !p.trusts(peer) {
		return
	}
	v.trusted = true
	h := &v.Ctx.Request.Header
	if bytes.EqualFold(h.Peek("X-Forwarded-Proto"), schemeHTTPS) {
		v.match.Scheme = "https" // a balancer has ended TLS
	}
	if proto := h.Peek("X-Forwarded-Proto"); len(proto) > 0 {
		v.Scheme = view(proto)
	}
	if host := h.Peek("X-Forwarded-Host"); len(host) > 0 {
		v.Host = view(host)
	}
	list := h.PeekAll("X-Forwarded-For")
	if len(list) == 0 {
		if addr, err := netip.ParseAddr(string(h.Peek("X-Real-IP"))); err == nil {
			v.ClientIP = addr.Unmap().String()
		}
		return
	}
	client := p.lastUntrusted(string(bytes.Join(list, comma)), peer)
	if client != peer {
		v.ClientIP = client.String()
	}
}

func (p *Proxy) lastUntrusted(list string, peer netip.Addr) netip.Addr {
	for list != "" {
		i := strings.LastIndexByte(list, ',')
		addr, err := netip.ParseAddr(strings.TrimSpace(list[i+1:]))
		if err != nil {
			break
		}
		peer = addr.Unmap()
		if !p.trusts(peer) {
			break
		}
		list = list[:max(i, 0)]
	}
	return peer
}

func (p *Proxy) trusts(addr netip.Addr) bool {
	for _, prefix := range p.config.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

func peerIP(ctx *fasthttp.RequestCtx) netip.Addr {
	if a, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.IPv4Unspecified()
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
	if strings.IndexByte(host, ':') < 0 {
		return host
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// hostPort is a Host header: without the port where it is the protocol's own.
func hostPort(host string, port int, protocol string) string {
	if port == 80 && protocol == "http" || port == 443 && protocol == "https" {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
