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

// HeaderFilter stores what the upstream answered, where that is allowed.
func (p *proxyCache) HeaderFilter(x *plugin.Exchange) {
	v, _ := x.Ctx.UserValue(p).(*cacheVisit)
	if v == nil {
		return
	}
	if v.aside {
		if v.unsafe {
			p.invalidate(x, v)
		}
		p.hideTags(&x.Ctx.Response.Header)
		p.announce(x, v)
		if !x.Answered() && x.Proxied {
			p.report(&x.Ctx.Response, &reported{fwd: v.fwd}, time.Time{})
		}
		return
	}
	if !v.settled {
		v.settled = true
		p.settle(x, v)
		p.count(v)
	}
	p.hideTags(&x.Ctx.Response.Header)
	p.announce(x, v)
}

// hideTags takes off a response what is for caches alone, where the operator wants that.
func (p *proxyCache) hideTags(h *fasthttp.ResponseHeader) {
	if p.stripTags {
		plugin.DeleteResponseField(h, cache.SurrogateKey)
		plugin.DeleteResponseField(h, cache.CacheTag)
	}
}

// FiltersFirst has the upstream's own header fields stored, not what other plugins
// make of them: those do so again with each answer from the cache.
func (p *proxyCache) FiltersFirst() {}

func (p *proxyCache) count(v *cacheVisit) {
	if !v.counted {
		v.counted = true
		p.store.Count(v.outcome)
	}
}

// settle decides about a response from the upstream.
func (p *proxyCache) settle(x *plugin.Exchange, v *cacheVisit) {
	r := &x.Ctx.Response
	now := time.Now()
	switch status := r.StatusCode(); {
	case x.Answered():
		// Another plugin's answer: it says nothing of the upstream.
		if v.fill != nil {
			v.fill.Refuse(false)
		}
	case v.revalidating && status == fasthttp.StatusNotModified:
		p.renew(x, v, now)
	case status >= 500 && v.mayServeStale(now):
		c := conditionOf(&x.Ctx.Request.Header)
		if v.fill != nil {
			v.fill.Refuse(false)
			c = v.condition // that on the request is ours
		}
		v.outcome = cache.Stale
		dropStored(&r.Header) // the error's own; other plugins' fields stay
		said := reported{fwd: v.fwd, entry: v.stale}
		if x.Proxied {
			said.fwdStatus = status
		}
		p.serveAs(x, v.key, v.stale, now, cacheStale, c, &said)
	case v.fill != nil && !x.Proxied:
		// The gateway's own error. A client that went away says nothing of the
		// kind: Log abandons its fill.
		if status != statusClientGone {
			v.fill.Refuse(false)
		}
	case v.fill != nil:
		p.keep(x, v, now)
	case x.Proxied:
		if x.Ctx.IsHead() && v.stale != nil {
			p.compare(x, v, now)
		}
		p.report(r, &reported{fwd: v.fwd}, now)
	}
}

// mayServeStale is RFC 5861, 4: by the response's word, the operator's or the client's.
func (v *cacheVisit) mayServeStale(now time.Time) bool {
	e := v.stale
	if e == nil {
		return false
	}
	return now.Before(e.StaleIfError) || v.staleIfError >= 0 && !e.MustRevalidate && now.Before(e.FreshUntil.Add(v.staleIfError))
}

// answer is the response as the policy judges it.
func answer(x *plugin.Exchange, response cache.Headers, now time.Time) cache.Answer {
	return cache.Answer{Request: asForwarded(x), Response: response, Asked: x.Asked, Came: now}
}

// takesStatus tells whether responses of a status are stored.
func (p *proxyCache) takesStatus(status int) bool {
	switch {
	case status < fasthttp.StatusOK, status == fasthttp.StatusPartialContent, status == fasthttp.StatusNotModified:
		return false
	case p.codes == nil:
		return !isOfRequest[status]
	}
	return p.codes[status]
}

// isOfRequest are statuses that one client's request may have earned by fields that
// are not in the key: others would be answered with them. Only an operator who lists
// them has them stored.
var isOfRequest = map[int]bool{
	400: true, 401: true, 403: true, 407: true, 408: true, 411: true, 412: true, 413: true, 415: true, 416: true, 417: true, 421: true,
	425: true, 426: true, 428: true, 429: true, 431: true,
}

// keep stores the response, now or when its stream has passed.
func (p *proxyCache) keep(x *plugin.Exchange, v *cacheVisit, now time.Time) {
	r := &x.Ctx.Response
	e := &cache.Entry{Status: r.StatusCode()}
	size := r.Header.ContentLength()
	plugin.StampDate(&r.Header, now)
	storable := p.takesStatus(e.Status) && p.takesType(r.Header.ContentType()) &&
		p.policy.Judge(e, answer(x, &r.Header, now)) && size <= p.store.MaxEntryBytes()
	if storable && !r.IsBodyStream() {
		storable = len(r.Body()) <= p.store.MaxEntryBytes()
	}
	if !storable {
		p.decline(x, v, e.Status)
		return
	}
	e.Header = storedFields(&r.Header, e.Withheld)
	e.Of = v.of
	v.fill.Aim(e, asForwarded(x))
	if !e.Fresh(now) {
		v.fill.Part()
	}
	p.report(r, &reported{fwd: v.fwd, stored: true, entry: e}, now)
	if r.IsBodyStream() {
		v.spooling = true
		p.spoolBody(x, size, e, v.fill)
		return
	}
	e.Body = append(make([]byte, 0, len(r.Body())), r.Body()...)
	v.fill.Store(e)
	p.answerCondition(x, v)
}

// decline lets a response pass that is not stored.
func (p *proxyCache) decline(x *plugin.Exchange, v *cacheVisit, status int) {
	if v.stale != nil && (status < 400 || status == fasthttp.StatusNotFound || status == fasthttp.StatusGone) {
		// What is stored is not what the origin has now. Another error may be this
		// client's alone.
		p.space.Invalidate(context.Background(), v.query.URI)
	}
	// An error says nothing about the resource; the rest is its nature.
	v.fill.Refuse(status < 500)
	v.outcome = cache.Bypass
	x.CacheStatus = cacheBypass
	p.report(&x.Ctx.Response, &reported{fwd: v.fwd}, time.Time{})
	p.answerCondition(x, v)
}

// renew keeps a stored response for longer, as a 304 to our own condition
// allows, and answers with it.
func (p *proxyCache) renew(x *plugin.Exchange, v *cacheVisit, now time.Time) {
	r := &x.Ctx.Response
	e := &cache.Entry{Status: v.stale.Status, Body: v.stale.Body}
	plugin.StampDate(&r.Header, now)
	updated := updatedFields{fresh: &r.Header, stored: v.stale}
	selected := selects(&r.Header, v.stale)
	ok := p.policy.Judge(e, answer(x, updated, now)) && selected
	e.Header, e.Encoding = updated.fields(e.Withheld), v.stale.Encoding
	dropStored(&r.Header) // they are in e.Header
	said := reported{fwd: v.fwd, fwdStatus: fasthttp.StatusNotModified, stored: ok, entry: e}
	if !ok {
		// No longer to be stored, but the 304 vouches for it this once.
		v.fill.Refuse(false)
		p.space.Invalidate(context.Background(), v.query.URI)
		if !selected {
			e.Header = v.stale.Header // the 304 is of another response
		}
		e.Generated, e.FreshUntil = now, now
		e.ETag, e.LastModified = v.stale.ETag, v.stale.LastModified
		p.serveAs(x, v.key, e, now, cacheRefresh, v.condition, &said)
		return
	}
	e.Of = v.stale.Of
	v.fill.Aim(e, asForwarded(x))
	v.fill.Store(e)
	p.serveAs(x, v.key, e, now, cacheRefresh, v.condition, &said)
}

// selects tells whether a 304 is of the stored response: a validator that it has is
// the stored one (RFC 9111, 4.3.4).
func selects(h *fasthttp.ResponseHeader, e *cache.Entry) bool {
	if tag := bytes.TrimSpace(h.Peek(fasthttp.HeaderETag)); len(tag) > 0 {
		return strings.TrimPrefix(string(tag), "W/") == strings.TrimPrefix(e.ETag, "W/")
	}
	return true
}

// compare has the upstream's answer to HEAD renew a stored response, or invalidate one
// that it contradicts (RFC 9111, 4.3.5).
func (p *proxyCache) compare(x *plugin.Exchange, v *cacheVisit, now time.Time) {
	r := &x.Ctx.Response
	if r.StatusCode() != v.stale.Status {
		return
	}
	h := &r.Header
	same := func(name string) bool {
		got, had := h.Peek(name), stored(v.stale, name)
		return len(got) == 0 || len(had) == 1 && bytes.Equal(got, had[0])
	}
	size := h.ContentLength()
	e := &cache.Entry{Status: v.stale.Status, Body: v.stale.Body}
	plugin.StampDate(h, now)
	updated := updatedFields{fresh: h, stored: v.stale}
	if !same(fasthttp.HeaderETag) || !same(fasthttp.HeaderLastModified) || size >= 0 && size != len(v.stale.Body) ||
		!p.policy.Judge(e, answer(x, updated, now)) {
		p.space.Invalidate(context.Background(), v.query.URI)
		return
	}
	e.Header, e.Encoding = updated.fields(e.Withheld), v.stale.Encoding
	e.Of = v.stale.Of
	fill := p.space.Fill(v.query, v.stale)
	fill.Aim(e, asForwarded(x))
	fill.Store(e)
}

// answerCondition makes a 304 of a whole answer to a request whose condition
// was taken off.
func (p *proxyCache) answerCondition(x *plugin.Exchange, v *cacheVisit) {
	r := &x.Ctx.Response
	if r.StatusCode() != fasthttp.StatusOK || r.IsBodyStream() || !v.condition.isSet() {
		return
	}
	modified, _ := cache.ParseDate(r.Header.PeekAll(fasthttp.HeaderLastModified), time.Now())
	if notModified(string(r.Header.Peek(fasthttp.HeaderETag)), modified, v.condition.noneMatch, v.condition.modifiedSince) {
		r.ResetBody()
		r.SetStatusCode(fasthttp.StatusNotModified)
	}
}
