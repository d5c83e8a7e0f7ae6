package proxycache

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// What X-Cache-Status says. Stale is ours: Kong serves nothing stale.
const (
	cacheHit     = "Hit"
	cacheMiss    = "Miss"
	cacheBypass  = "Bypass"
	cacheRefresh = "Refresh" // something was stored that could not be used
	cacheStale   = "Stale"
)

// proxyCache answers requests from stored responses, and stores what the
// upstream answers. A hit from memory neither waits nor copies the body.
type proxyCache struct {
	store  *cache.Store
	space  *cache.Space
	policy cache.Policy
	key    cacheKey

	get, head bool // GET and HEAD are in request_method
	methods   []string
	codes     map[int]bool // nil: all
	types     []mediaType  // nil: all

	stripTags bool // the client does not see Surrogate-Key and Cache-Tag

	showAge, showStatus, showKey, showReport bool
}

// cacheVisit is what a request that went to the upstream has to remember.
type cacheVisit struct {
	key      cache.Key
	keyed    bool
	fill     *cache.Fill // nil: only looked up
	stale    *cache.Entry
	aside    bool          // the cache takes no part: it is shared, and must not be changed, unless unsafe
	settled  bool          // what becomes of the answer
	fwd      string        // why it went there
	outcome  cache.Outcome // not yet counted; see counted
	counted  bool
	spooling bool // the body's stream ends the fill

	// What the client asked conditionally is asked of the upstream without
	// conditions, so that the answer can be stored.
	condition    condition
	revalidating bool          // our own condition is on the request
	staleIfError time.Duration // that the client allows; -1: nothing said

	unsafe bool   // the request may change what is stored
	host   string // that an unsafe request is for,
	target []byte // with path and query

	query cache.Query // of what is keyed
	of    cache.Resource
}

// What all requests of a kind have in common. They are not changed.
var (
	bypassVisit = &cacheVisit{fwd: fwdBypass, aside: true, counted: true}
	methodVisit = &cacheVisit{fwd: fwdMethod, aside: true, counted: true}
)

// statusClientGone is what the proxy notes of a client that left before the
// upstream answered.
const statusClientGone = 499

var noDirectives = cache.ParseCacheControl(nil)

// Access answers from the cache where it can.
func (p *proxyCache) Access(x *plugin.Exchange) (answered bool) {
	h := &x.Ctx.Request.Header
	directives := noDirectives
	if p.policy.CacheControl {
		directives = cache.ParseRequest(h)
	}
	if v := p.passes(x, directives); v != nil {
		x.CacheStatus = cacheBypass
		p.store.Count(cache.Bypass)
		x.Ctx.SetUserValue(p, v)
		return false
	}
	key := p.key.of(x)
	now := time.Now()
	if e := p.space.Peek(key, asForwarded(x)); e != nil && e.AcceptedBy(h) {
		switch directives.Judge(e, now) {
		case cache.Usable:
			p.store.Count(outcomeAt(e, now, cache.HitMemory))
			p.serve(x, key, e, now, "")
			return true
		case cache.UsableBusy:
			if p.refreshBehind(x, key, directives) {
				p.store.Count(cache.Stale)
				p.serve(x, key, e, now, "")
				return true
			}
		case cache.Unusable:
		}
	}
	return p.find(x, key, directives)
}

// passes is what is remembered of a request that the cache takes no part in, nil where
// it does.
func (p *proxyCache) passes(x *plugin.Exchange, directives cache.Directives) *cacheVisit {
	h := &x.Ctx.Request.Header
	taken := p.takes(h)
	switch {
	case x.WebSocket:
		return bypassVisit
	case taken && x.Rewrite.Method == "" && !hasBody(&x.Ctx.Request) && !directives.NoStore:
		return nil
	case taken && (!p.policy.CacheControl || isSafe(h)):
		return bypassVisit
	case !p.policy.CacheControl || isSafe(h):
		return methodVisit
	}
	return &cacheVisit{
		fwd: fwdMethod, aside: true, counted: true, unsafe: true, host: strings.Clone(x.Host), target: bytes.Clone(h.RequestURI()),
	}
}

// isSafe tells whether a method changes nothing (RFC 9110, 9.2.1).
func isSafe(h *fasthttp.RequestHeader) bool {
	return h.IsGet() || h.IsHead() || h.IsOptions() || h.IsTrace()
}

// outcomeAt is what a use of e counts as: found says so unless e is stale (by
// the client's max-stale).
func outcomeAt(e *cache.Entry, now time.Time, found cache.Outcome) cache.Outcome {
	if e.Fresh(now) {
		return found
	}
	return cache.Stale
}

// takes tells whether a request of this kind may be answered from the cache.
func (p *proxyCache) takes(h *fasthttp.RequestHeader) bool {
	switch {
	case h.IsGet():
		return p.get
	case h.IsHead():
		return p.head
	}
	for _, m := range p.methods {
		if m == string(h.Method()) {
			return true
		}
	}
	return false
}

// hasBody tells whether a request has a body: it may decide the answer, and is
// not in the key.
func hasBody(r *fasthttp.Request) bool {
	if r.IsBodyStream() {
		return r.Header.ContentLength() != 0
	}
	return len(r.Body()) > 0
}

// oddRequest are fields that have an upstream answer something else than the
// plain resource: a part of it, a failed condition, another method or path. A
// request with one looks for what is stored, and stores nothing for others.
var oddRequest = []string{
	fasthttp.HeaderRange, fasthttp.HeaderIfMatch, fasthttp.HeaderIfUnmodifiedSince,
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url",
}

func isOdd(h *fasthttp.RequestHeader) bool {
	for _, name := range oddRequest {
		if len(h.Peek(name)) > 0 {
			return true
		}
	}
	return false
}

// query is the look-up of a request.
func (p *proxyCache) query(x *plugin.Exchange, key cache.Key, directives cache.Directives) cache.Query {
	h := &x.Ctx.Request.Header
	return cache.Query{
		Key: key, URI: p.key.uri(x.Host, h.RequestURI()), Request: asForwarded(x), Alone: directives.NoCache || directives.MaxAge == 0,
		Judge: func(e *cache.Entry) cache.Verdict {
			if !e.AcceptedBy(h) {
				return cache.Unusable
			}
			return directives.Judge(e, time.Now())
		},
	}
}

// find is the way of a request that memory has no answer for.
func (p *proxyCache) find(x *plugin.Exchange, key cache.Key, directives cache.Directives) (answered bool) {
	h := &x.Ctx.Request.Header
	only := p.policy.CacheControl && directives.OnlyIfCached
	q := p.query(x, key, directives)
	// HEAD brings no body, and an odd request another one: such a request looks,
	// but does not lead others and stores nothing.
	q.OnlyStored = only || h.IsHead() || isOdd(h)
	found := p.space.Find(context.Background(), q)
	if found.Entry != nil && !found.Entry.AcceptedBy(h) {
		found.Entry = nil // not to be revalidated either, nor used on an error
	}
	now := time.Now()
	if found.Outcome == cache.Stale && found.Fill != nil && !p.workBehind(x, key, found.Fill) {
		found.Outcome = cache.Miss // nobody can refresh it but this request
	}
	if found.Outcome != cache.Miss {
		p.store.Count(outcomeAt(found.Entry, now, found.Outcome))
		p.serve(x, key, found.Entry, now, collapsedFor(&found))
		return true
	}
	if only {
		p.store.Count(cache.Miss)
		p.refuse(x, key)
		return true
	}
	p.forward(x, q, directives, &found, now)
	return false
}

// forward prepares a request that goes to the upstream.
func (p *proxyCache) forward(x *plugin.Exchange, q cache.Query, directives cache.Directives, found *cache.Found,
	now time.Time) *cacheVisit {
	x.CacheStatus = cacheMiss
	if found.Entry != nil {
		x.CacheStatus = cacheRefresh
	}
	v := &cacheVisit{
		key: q.Key, query: q, keyed: true, fill: found.Fill, stale: found.Entry, fwd: forwardedFor(found, now), outcome: cache.Miss,
		staleIfError: directives.StaleIfError,
	}
	if v.fill != nil {
		v.of = p.resource(x)
		v.askWhole(&x.Ctx.Request.Header)
	}
	x.Ctx.SetUserValue(p, v)
	return v
}

// askWhole takes the client's conditions off the request, and puts on those
// that revalidate what is stored.
func (v *cacheVisit) askWhole(h *fasthttp.RequestHeader) {
	take := func(name string) (value []byte) {
		if b := h.Peek(name); len(b) > 0 {
			value = append(value, b...)
		}
		plugin.DeleteField(h, name)
		return value
	}
	v.condition = condition{take(fasthttp.HeaderIfNoneMatch), take(fasthttp.HeaderIfModifiedSince)}
	if v.stale == nil {
		return
	}
	if v.stale.ETag != "" {
		h.Set(fasthttp.HeaderIfNoneMatch, v.stale.ETag)
		v.revalidating = true
	}
	if v.stale.LastModified.IsZero() {
		return
	}
	// As the origin wrote it: some compare the text.
	if dates := stored(v.stale, fasthttp.HeaderLastModified); len(dates) > 0 {
		h.SetBytesV(fasthttp.HeaderIfModifiedSince, dates[0])
		v.revalidating = true
	}
}

// Log ends what an error or a lost client left open.
func (p *proxyCache) Log(x *plugin.Exchange) {
	v, _ := x.Ctx.UserValue(p).(*cacheVisit)
	if v == nil {
		return
	}
	x.Ctx.SetUserValue(p, nil)
	p.count(v)
	switch {
	case v.fill == nil || v.spooling:
	case x.Ctx.Response.StatusCode() >= 500:
		v.fill.Refuse(false) // the next would meet the same
	default:
		v.fill.Abandon()
	}
}
