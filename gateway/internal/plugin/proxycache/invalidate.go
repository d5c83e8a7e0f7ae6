package proxycache

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// invalidate forgets what an unsafe request has changed (RFC 9111, 4.4): its target,
// and what its answer names in Location and Content-Location, of the same origin, for
// all consumers and routes.
func (p *proxyCache) invalidate(x *plugin.Exchange, v *cacheVisit) {
	status := x.Ctx.Response.StatusCode()
	if x.Answered() || !x.Proxied || status < 200 || status >= 400 {
		return
	}
	uris := p.key.uris(v.host, v.target)
	h := &x.Ctx.Response.Header
	for _, name := range [...]string{fasthttp.HeaderLocation, fasthttp.HeaderContentLocation} {
		if target := sameOrigin(x, v.target, h.Peek(name)); target != nil {
			uris = append(uris, p.key.uris(v.host, target)...)
		}
	}
	p.space.Invalidate(context.Background(), uris...)
}

// sameOrigin is path and query of a reference, resolved against the request's own; nil
// where it is of another origin. What the origin calls itself is its own name too: it
// may not know the gateway's.
func sameOrigin(x *plugin.Exchange, uri, reference []byte) []byte {
	if len(reference) == 0 {
		return nil
	}
	to, err := url.Parse(string(reference))
	if err != nil || to.Opaque != "" {
		return nil
	}
	if to.Host != "" && !isOwnName(x, to) {
		return nil
	}
	base, err := url.ParseRequestURI(string(uri))
	if err != nil {
		return nil
	}
	to.Scheme, to.Host = "", ""
	to.User, to.Fragment = nil, ""
	target := base.ResolveReference(to)
	target.Scheme, target.Host = "", ""
	// ResolveReference keeps escapes as they were written.
	return bytes.TrimSuffix([]byte(target.RequestURI()), []byte("#"))
}

func isOwnName(x *plugin.Exchange, to *url.URL) bool {
	scheme := to.Scheme
	if scheme == "" {
		scheme = x.Scheme
	}
	if host := string(x.Ctx.Request.Header.Host()); strings.EqualFold(scheme, x.Scheme) &&
		(sameAuthority(scheme, to.Host, host) || sameAuthority(scheme, to.Host, x.Host)) {
		return true
	}
	s := x.Service
	return s != nil && strings.EqualFold(scheme, s.Protocol) && sameAuthority(scheme, to.Host, s.Host+":"+strconv.Itoa(s.Port))
}

// sameAuthority compares hosts with their ports, of which the scheme's own may be
// left out.
func sameAuthority(scheme, a, b string) bool {
	port := ":80"
	if strings.EqualFold(scheme, "https") {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}
