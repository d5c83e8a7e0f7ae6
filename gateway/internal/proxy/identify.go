package proxy

import (
	"bytes"
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

// requester is who the request comes from.
type requester struct {
	peer     netip.Addr // kept from request to request, as its text
	peerText string
	trusted  bool // the peer is a trusted proxy
}

// identify sets who asks, and for what: the peer, or what a trusted proxy says
// in X-Forwarded-For (the last address that is not a trusted proxy itself),
// else in Forwarded, else in X-Real-IP.
func (r *requester) identify(x *plugin.Exchange, m *route.Request, fields fieldSet, trusted trustedProxies) {
	peer := peerIP(x.Ctx)
	if peer != r.peer || r.peerText == "" {
		// Most of a gateway's requests come from few addresses.
		r.peer, r.peerText = peer, peer.String()
	}
	x.ClientIP = r.peerText
	x.Scheme, x.Host = m.Scheme, hostOnly(m.Host)
	r.trusted = len(trusted) > 0 && trusted.contain(peer)
	x.Trusted = r.trusted
	if !r.trusted {
		return
	}
	claim := readClaim(&x.Ctx.Request.Header, fields)
	if claim.proto != "" {
		x.Scheme = claim.proto
		if strings.EqualFold(claim.proto, "https") {
			m.Scheme = "https" // a balancer has ended TLS
		}
	}
	if claim.host != "" {
		x.Host = claim.host
	}
	if client := trusted.lastOther(claim.addresses, peer); client != peer {
		x.ClientIP = client.String()
	}
}

// claim is what a trusted proxy says about the client.
type claim struct {
	addresses   []string // the nearest last
	proto, host string   // "" where it does not say
}

// readClaim reads the X-Forwarded-* fields, and where one is missing, Forwarded
// (RFC 7239), whose last element is the trusted proxy's own.
func readClaim(h *fasthttp.RequestHeader, fields fieldSet) (s claim) {
	if proto := h.Peek("X-Forwarded-Proto"); len(proto) > 0 {
		s.proto = view(proto)
	}
	if host := h.Peek("X-Forwarded-Host"); len(host) > 0 {
		s.host = view(host)
	}
	if list := h.PeekAll("X-Forwarded-For"); len(list) > 0 {
		s.addresses = strings.Split(string(bytes.Join(list, comma)), ",")
	}
	if fields&fieldForwarded != 0 {
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

// trustedProxies are the addresses of proxies whose word about the client counts.
type trustedProxies []netip.Prefix

func (t trustedProxies) contain(addr netip.Addr) bool {
	for _, prefix := range t {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// lastOther goes through addresses from the nearest on, to the first that is not
// a trusted proxy's. What is no address ends it: nothing beyond can be believed.
func (t trustedProxies) lastOther(addresses []string, peer netip.Addr) netip.Addr {
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
		if !t.contain(peer) {
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

func peerIP(ctx *fasthttp.RequestCtx) netip.Addr {
	if a, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.IPv4Unspecified()
}
