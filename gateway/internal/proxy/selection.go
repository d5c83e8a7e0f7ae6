package proxy

import (
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

// What is done with paths that an upstream may decode further than the gateway
// does: "..%2f", "..;", "\\", "%00", double escapes.
const (
	PathStrict   = "strict"   // 400 where a further reading would be another route's, or leave the service's path
	PathKeep     = "keep"     // they pass, as in Kong
	PathReject   = "reject"   // 400
	PathUnescape = "unescape" // escaped slashes are decoded before matching and forwarding, as by Envoy's setting; the rest is strict
)

// selection is which route a request has, and by what.
type selection struct {
	x     *plugin.Exchange
	match route.Request
	found route.Match
}

func newSelection(x *plugin.Exchange) selection {
	l := selection{x: x}
	l.match.Header = func(name string) []string { return valuesOf(&x.Ctx.Request.Header, name) }
	return l
}

func (l *selection) reset() {
	l.match = route.Request{Header: l.match.Header}
	l.found = route.Match{}
}

// read takes from the request what routes match by.
func (l *selection) read(ctx *fasthttp.RequestCtx, ambiguity string) {
	h, m := &ctx.Request.Header, &l.match
	m.Method = view(h.Method())
	m.Host = view(h.Host())
	m.Path = route.Normalize(view(pathOf(h.RequestURI())))
	if ambiguity == PathUnescape {
		m.Path = route.Unescape(m.Path)
	}
	m.Scheme = "http"
	if c, ok := ctx.Conn().(secured); ok {
		layer := c.tlsLayer()
		m.Scheme, m.SNI = "https", layer.state.ServerName
		l.x.Certificate = layer.shown
	}
}

// find finds the route.
func (l *selection) find(t *route.Table) *refusal {
	found, ok := t.Match(&l.match)
	if !ok && l.match.Exhausted() {
		return errExpensive
	}
	if !ok {
		return errNoRoute
	}
	l.found = found
	return nil
}

// valuesOf are the values of a request field, as the router asks for them.
func valuesOf(h *fasthttp.RequestHeader, name string) []string {
	raw := h.PeekAll(name)
	out := make([]string, len(raw))
	for i, b := range raw {
		out[i] = string(b)
	}
	return out
}

// checkPath sees to it that the upstream cannot read another path than the one
// that was matched. Only paths with bytes that can be read in several ways cost
// more than one pass over them.
func (l *selection) checkPath(s *snapshot, rule string, of *routeEntry) *refusal {
	m := &l.match
	if rule == PathKeep {
		return nil
	}
	if l.evades(s, m.Path, of) {
		return errPath
	}
	if route.Plain(m.Path) {
		return nil
	}
	if rule == PathReject {
		return errPath
	}
	own, at := l.found.Index, m.Path
	defer func() { m.Path = at }()
	readings := route.Readings(at)
	for _, other := range readings {
		m.Path = other
		if found, ok := s.table.Match(m); !ok || found.Index != own {
			return errPath
		}
		if l.evades(s, other, of) {
			return errPath
		}
	}
	if of.service != nil && leaves(of.service.Path, route.UpstreamPath(of.route, of.service.Path, at, l.found.Prefix)) {
		return errPath
	}
	return nil
}

// evades tells whether path, in lower case, belongs to a route that asks who the
// client is, while the request's own does not: an upstream that ignores letter
// case would answer as for the other. Letter case alone is nothing to refuse.
func (l *selection) evades(s *snapshot, path string, of *routeEntry) bool {
	if !s.guarded || of.guarded || !hasUpper(path) {
		return false
	}
	m, at := &l.match, l.match.Path
	defer func() { m.Path = at }()
	m.Path = strings.ToLower(path)
	found, ok := s.table.Match(m)
	return ok && s.routes[found.Index].guarded
}

func hasUpper(path string) bool {
	for i := range len(path) {
		if 'A' <= path[i] && path[i] <= 'Z' {
			return true
		}
	}
	return false
}

// leaves tells whether path, as an upstream may read it, is outside of base, the
// service's own path in any reading of its own.
func leaves(base, path string) bool {
	if base == "" || base == "/" {
		return false
	}
	base, path = route.Normalize(base), route.Normalize(path)
	bases := append(route.Readings(base), base)
	for _, reading := range append(route.Readings(path), path) {
		if !slices.ContainsFunc(bases, func(b string) bool { return route.Within(b, reading) }) {
			return true
		}
	}
	return false
}
