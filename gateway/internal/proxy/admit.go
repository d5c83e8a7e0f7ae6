package proxy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/route"
)

// What is done with paths that an upstream may decode further than the gateway
// does: "..%2f", "..;", "\", "%00", double escapes.
const (
	PathStrict   = "strict"   // 400 where a further reading would be another route's, or leave the service's path
	PathKeep     = "keep"     // they pass, as in Kong
	PathReject   = "reject"   // 400
	PathUnescape = "unescape" // escaped slashes are decoded before matching and forwarding, as by Envoy's setting; the rest is strict
)

// refusal is an answer to a request that is not worth a route.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func badRequest(why string) *refusal {
	return &refusal{fasthttp.StatusBadRequest, "Bad request: " + why}
}

var (
	errVersion   = &refusal{fasthttp.StatusHTTPVersionNotSupported, "HTTP version not supported"}
	errMethod    = &refusal{fasthttp.StatusMethodNotAllowed, "Method not allowed"}
	errToken     = badRequest("the method has to be of upper-case letters, '-' and '_'")
	errName      = badRequest("a header name has a space")
	errTarget    = badRequest("the request target is neither a path nor an http or https URL")
	errHost      = badRequest("the host is no name or address with an optional port")
	errNoHost    = badRequest("the Host header is missing")
	errPath      = badRequest("the path is ambiguous")
	errNoRoute   = &refusal{fasthttp.StatusNotFound, "no Route matched with those values"}
	errExpensive = badRequest("the regular expressions of routes take too long for its path or headers")
	errLoop      = &refusal{fasthttp.StatusLoopDetected, "Loop detected"}
)

// admit checks what RFC 9110 and 9112 ask of a request before anything is
// decided by it, and brings it into the form that is matched, keyed and
// forwarded. nil lets it pass.
func (v *visit) admit(s *snapshot) *refusal {
	h := &v.Ctx.Request.Header
	if r := checkLine(h); r != nil {
		return r
	}
	if r := checkTarget(h); r != nil {
		return r
	}
	if !v.fields.screen(h.RawHeaders(), v.proxy.config.Underscores, s.squeezed) {
		return errName
	}
	if v.fields.has&fieldVia != 0 && v.proxy.passedHere(h.PeekAll("Via")) {
		return errLoop
	}
	return nil
}

// checkLine looks at the method and the version. As nginx has it, methods are
// of upper-case letters, '-' and '_': "get" is not GET, and an upstream that
// took it for one would let it past routes that name methods.
func checkLine(h *fasthttp.RequestHeader) *refusal {
	if p := h.Protocol(); len(p) != len(http11) || p[5] != '1' || p[6] != '.' {
		return errVersion
	}
	method := h.Method()
	switch string(method) {
	case "GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS":
		return nil
	case "CONNECT", "TRACE":
		return errMethod
	}
	for _, c := range method {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return errToken
		}
	}
	return nil
}

// checkTarget brings the request target into origin form, and the host into
// its canonical one.
func checkTarget(h *fasthttp.RequestHeader) *refusal {
	uri := h.RequestURI()
	if i := bytes.IndexByte(uri, '#'); i >= 0 {
		// A fragment is the client's own affair: the upstream would take it for
		// a part of the query, where other readers of the same target do not.
		h.SetRequestURI(string(uri[:i]))
		uri = h.RequestURI()
	}
	if len(uri) > 0 && uri[0] != '/' && !originForm(h) {
		return errTarget
	}
	host := view(h.Host())
	if host == "" {
		if h.IsHTTP11() {
			return errNoHost
		}
		return nil // HTTP/1.0 may come without
	}
	canonical, ok := route.CanonicalHost(host)
	switch {
	case !ok:
		return errHost
	case len(canonical) != len(host):
		h.SetHost(strings.Clone(canonical))
	}
	return nil
}

// originForm turns a request target with scheme and host, as a client sends it
// to a proxy, into path and Host header. OPTIONS * is for the server as a whole
// and stays: no route has that path.
func originForm(h *fasthttp.RequestHeader) bool {
	uri := h.RequestURI()
	if len(uri) == 1 && uri[0] == '*' {
		return true
	}
	scheme, rest, ok := bytes.Cut(uri, []byte("://"))
	if !ok || !bytes.EqualFold(scheme, schemeHTTP) && !bytes.EqualFold(scheme, schemeHTTPS) {
		return false
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, path := string(rest[:end]), string(rest[end:])
	if host == "" {
		return false
	}
	if path == "" || path[0] == '?' {
		path = "/" + path
	}
	h.SetHost(host)
	h.SetRequestURI(path)
	return true
}

// passedHere tells whether this gateway is on the way that the request took.
func (p *Proxy) passedHere(via [][]byte) bool {
	own := p.via[len("1.1 "):]
	for _, list := range via {
		for _, hop := range strings.Split(string(list), ",") {
			hop, _, _ = strings.Cut(hop, "(") // a comment
			if words := strings.Fields(hop); len(words) > 1 && strings.EqualFold(words[1], own) {
				return true
			}
		}
	}
	return false
}

// checkPath sees to it that the upstream cannot read another path than the one
// that was matched. Only paths with bytes that can be read in several ways cost
// more than one pass over them.
func (v *visit) checkPath(s *snapshot) *refusal {
	m, rule := &v.match, v.proxy.config.PathAmbiguity
	if rule == PathKeep {
		return nil
	}
	if v.evades(s, m.Path) {
		return errPath
	}
	if route.Plain(m.Path) {
		return nil
	}
	if rule == PathReject {
		return errPath
	}
	own, at := v.found.Index, m.Path
	defer func() { m.Path = at }()
	readings := route.Readings(at)
	for _, other := range readings {
		m.Path = other
		if found, ok := s.table.Match(m); !ok || found.Index != own {
			return errPath
		}
		if v.evades(s, other) {
			return errPath
		}
	}
	if v.Service != nil && leaves(v.Service.Path, route.UpstreamPath(v.Route, v.Service.Path, at, v.prefix)) {
		return errPath
	}
	return nil
}

// evades tells whether path, in lower case, belongs to a route that asks who the
// client is, while the request's own does not: an upstream that ignores letter
// case would answer as for the other. Letter case alone is nothing to refuse.
func (v *visit) evades(s *snapshot, path string) bool {
	if !s.guarded || v.routed.guarded || !hasUpper(path) {
		return false
	}
	m, at := &v.match, v.match.Path
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
