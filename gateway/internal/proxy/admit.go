package proxy

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/route"
)

// refusal is the answer to a request that is not admitted, or has no route.
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

// admission is what a request must pass before anything is decided by it.
type admission struct {
	fields    fieldScan // what the header block has that needs work
	websocket bool      // the client asks for a WebSocket
}

// check checks what RFC 9110 and 9112 ask of a request, and brings it into the
// form that is matched, keyed and forwarded. nil admits it.
func (a *admission) check(h *fasthttp.RequestHeader, p *Proxy, s *snapshot) *refusal {
	if r := checkLine(h); r != nil {
		return r
	}
	if r := checkTarget(h); r != nil {
		return r
	}
	if !a.fields.screen(h.RawHeaders(), p.config.Underscores, s.squeezed) {
		return errName
	}
	if a.fields.has&fieldVia != 0 && p.passedHere(h.PeekAll("Via")) {
		return errLoop
	}
	return nil
}

// clean takes off what is not the client's to say; see fieldScan.clean.
func (a *admission) clean(h *fasthttp.RequestHeader, s *snapshot) {
	a.websocket = a.fields.clean(h, s.configured)
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
// to a proxy, into path and Host header. OPTIONS * is for the server as a whole:
// it has no path, and behind the path of a service "*" would be a part of another
// one. It is refused, as by nginx.
func originForm(h *fasthttp.RequestHeader) bool {
	uri := h.RequestURI()
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
