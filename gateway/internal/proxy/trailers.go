package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// trailers are the fields behind a request's and a response's body. They pass as
// trailers only: nothing is decided by them, and they are no header fields to
// anything. They are dropped where a body is read whole for a plugin, or stored in
// the cache, and for HTTP/1.0.
type trailers struct {
	visit     *visit
	own       map[string]bool // squeezed names that the configuration decides by
	announced []byte          // names that the upstream says will follow; kept from request to request
}

func (t *trailers) reset() { t.own, t.announced = nil, t.announced[:0] }

// ofRequest is upstream.Call's Trailers.
func (t *trailers) ofRequest() []upstream.Field {
	body := &t.visit.body
	all := body.upload.chunks.trailers
	if s := streamOf(t.visit.Ctx.Conn()); s != nil && s.body != nil {
		all = s.body.trailers()
	}
	return t.filter(all)
}

// ofResponse is upstream.Call's OnTrailers. The codec, which reads the body, asks
// for the trailers when that has ended.
func (t *trailers) ofResponse(all []upstream.Field) {
	v := t.visit
	if v.Spooled {
		return // a plugin reads the body, on a goroutine of its own
	}
	if v.OnTrailer != nil {
		for _, f := range t.filter(all) {
			v.OnTrailer(f.Name, f.Value)
		}
		return
	}
	if s := streamOf(v.Ctx.Conn()); s != nil {
		s.trailers = t.filter(all)
		return
	}
	if v.serving {
		return // a plugin has read the body: it is sent with its length
	}
	h := &v.Ctx.Response.Header
	all = t.filter(all)
	_ = h.AddTrailer(upstream.NamesOf(all)) // of one that the codec refuses, nothing is sent
	for _, f := range all {
		h.Add(f.Name, f.Value)
	}
}

// filter leaves what may be a trailer.
func (t *trailers) filter(all []upstream.Field) []upstream.Field {
	var out []upstream.Field
	for _, f := range all {
		if mayTrail([]byte(f.Name), t.own) {
			out = append(out, f)
		}
	}
	return out
}

// note remembers what the upstream announces, before its header is cleaned.
func (t *trailers) note(h *fasthttp.ResponseHeader) {
	for _, name := range h.PeekTrailerKeys() {
		t.announced = append(append(t.announced, name...), ',')
	}
}

// announce tells the client what will follow, once the header is complete.
func (t *trailers) announce(h *fasthttp.ResponseHeader) {
	if len(t.announced) == 0 || t.visit.Spooled || h.ContentLength() >= 0 {
		return
	}
	// One that the codec refuses is not announced.
	_ = h.AddTrailerBytes(announceable(t.announced, t.own, func(name []byte) bool { return len(h.PeekBytes(name)) > 0 }))
}

// mostAnnounced is how many names of trailers are passed on: to look for each among the
// fields, of which there may be thousands as well, takes time. Trailers pass without.
const mostAnnounced = 32

// announceable is a list of those names of a list that may be announced.
func announceable(names []byte, own map[string]bool, isField func(name []byte) bool) (out []byte) {
	n := 0
	for name := range bytes.SplitSeq(names, comma) {
		if n++; n > mostAnnounced {
			break
		}
		if name = bytes.TrimSpace(name); mayTrail(name, own) && !isField(name) {
			out = append(append(out, name...), ',')
		}
	}
	return bytes.TrimSuffix(out, comma)
}

// announce tells the upstream what will follow the request's body. A name that is
// also a header field's is not announced: the codec would make a trailer of that.
func announce(h *fasthttp.RequestHeader, names []byte, own map[string]bool) {
	if len(names) == 0 || h.ContentLength() >= 0 {
		return
	}
	_ = h.AddTrailerBytes(announceable(names, own, func(name []byte) bool { return len(h.PeekBytes(name)) > 0 }))
}

// notTrailers are squeezed names of fields that are no trailers, beside those
// that readsAsOwn tells (RFC 9110, 6.5.1): they modify a request, are about
// its routing, its authentication or who it is from, or are needed before the body.
var notTrailers = map[string]bool{
	"acceptencoding": true, "age": true, "altsvc": true, "cachecontrol": true, "contentdisposition": true, "contentlanguage": true,
	"contentlocation": true, "contentrange": true, "date": true, "expires": true, "ifmatch": true, "ifmodifiedsince": true,
	"ifnonematch": true, "ifrange": true, "ifunmodifiedsince": true, "location": true, "maxforwards": true, "origin": true, "pragma": true,
	"range": true, "referer": true, "retryafter": true, "setcookie": true, "stricttransportsecurity": true, "vary": true, "warning": true,
	"wwwauthenticate": true, "authenticationinfo": true, "proxyauthenticationinfo": true, "apikey": true, "xapikey": true,
	"grpctimeout": true, "server": true, "useragent": true, "link": true, "traceparent": true, "tracestate": true, "b3": true,
	"xrequestid": true, "xhttpmethodoverride": true, "idempotencykey": true, "xidempotencykey": true,
}

// mayTrail tells whether a field may follow a body.
func mayTrail(name []byte, configured map[string]bool) bool {
	if len(name) == 0 || !isFieldName(view(name)) || name[0] == ':' {
		return false
	}
	squeezed := squeeze(name)
	return !notTrailers[squeezed] && !readsAsOwn(name, configured)
}
