package proxy

import (
	"bytes"
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"
)

// identify sets who asks, and for what: the peer, or what a trusted proxy says
// in X-Forwarded-For (the last address that is not a trusted proxy itself),
// else in Forwarded, else in X-Real-IP.
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
	said := v.said(h)
	if proto := said.proto; proto != "" {
		v.Scheme = proto
		if strings.EqualFold(proto, "https") {
			v.match.Scheme = "https" // a balancer has ended TLS
		}
	}
	if said.host != "" {
		v.Host = said.host
	}
	if client := p.lastUntrusted(said.addresses, peer); client != peer {
		v.ClientIP = client.String()
	}
}

// said is what a trusted proxy says of the client.
type said struct {
	addresses   []string // the nearest last
	proto, host string   // "" where it does not say
}

// said reads the X-Forwarded-* fields, and where one is missing, Forwarded
// (RFC 7239), whose last element is the trusted proxy's own.
func (v *visit) said(h *fasthttp.RequestHeader) (s said) {
	if proto := h.Peek("X-Forwarded-Proto"); len(proto) > 0 {
		s.proto = view(proto)
	}
	if host := h.Peek("X-Forwarded-Host"); len(host) > 0 {
		s.host = view(host)
	}
	if list := h.PeekAll("X-Forwarded-For"); len(list) > 0 {
		s.addresses = strings.Split(string(bytes.Join(list, comma)), ",")
	}
	if v.fields.has&fieldForwarded != 0 {
		elements := parseForwarded(string(bytes.Join(h.PeekAll("Forwarded"), comma)))
		if n := len(elements); n > 0 && s.proto == "" {
			s.proto = elements[n-1].proto
		}
		if n := len(elements); n > 0 && s.host == "" {
			s.host = elements[n-1].host
		}
		if s.addresses == nil {
			for _, e := range elements {
				s.addresses = append(s.addresses, e.client)
			}
		}
	}
	if s.addresses == nil {
		if real := h.Peek("X-Real-IP"); len(real) > 0 {
			s.addresses = []string{string(real)}
		}
	}
	return s
}

// lastUntrusted goes through addresses from the nearest on. What is no address
// ends it: nothing beyond can be believed.
func (p *Proxy) lastUntrusted(addresses []string, peer netip.Addr) netip.Addr {
	for i := len(addresses) - 1; i >= 0; i-- {
		text := strings.TrimSpace(addresses[i])
		if text == "" {
			continue // an empty element of a list means nothing
		}
		addr, ok := parseAddress(text)
		if !ok {
			break
		}
		peer = addr
		if !p.trusts(peer) {
			break
		}
	}
	return peer
}

// parseAddress takes an IP address with or without a port, IPv6 with or
// without brackets: some balancers write address:port.
func parseAddress(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		var pair netip.AddrPort
		switch pair, err = netip.ParseAddrPort(s); {
		case err == nil:
			addr = pair.Addr()
		case len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']':
			if addr, err = netip.ParseAddr(s[1 : len(s)-1]); err != nil || !addr.Is6() {
				return addr, false
			}
		default:
			return addr, false
		}
	}
	return addr.Unmap(), addr.Zone() == ""
}

// forwardedElement is one proxy's word in a Forwarded field.
type forwardedElement struct{ client, proto, host string }

// parseForwarded reads the elements of a Forwarded field (RFC 7239). A field
// that does not follow its grammar says nothing.
func parseForwarded(s string) (elements []forwardedElement) {
	e := forwardedElement{}
	for {
		s = strings.TrimLeft(s, " \t")
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return nil
		}
		value, rest, ok := forwardedValue(rest)
		if !ok {
			return nil
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "for":
			e.client = value
		case "proto":
			e.proto = value
		case "host":
			e.host = value
		}
		rest = strings.TrimLeft(rest, " \t")
		switch {
		case rest == "":
			return append(elements, e)
		case rest[0] == ',':
			elements, e = append(elements, e), forwardedElement{}
		case rest[0] != ';':
			return nil
		}
		s = rest[1:]
	}
}

// forwardedValue cuts a token or a quoted string off.
func forwardedValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",; \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], end > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
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
