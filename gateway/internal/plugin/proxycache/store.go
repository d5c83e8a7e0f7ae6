package proxycache

import (
	"time"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/cache"
	"gatelab/gateway/internal/plugin"
)

// HeaderFilter stores what the upstream answered, where that is allowed.
func (p *proxyCache) HeaderFilter(x *plugin.Exchange) {
	v, _ := x.Ctx.UserValue(p).(*cacheVisit)
	if v != nil && !v.counted {
		p.settle(x, v)
		p.count(v)
	}
	p.announce(x, v)
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
	case status >= 500 && v.stale != nil && now.Before(v.stale.StaleIfError):
		h := &x.Ctx.Request.Header
		ifNoneMatch, ifModifiedSince := h.Peek(fasthttp.HeaderIfNoneMatch), h.Peek(fasthttp.HeaderIfModifiedSince)
		if v.fill != nil {
			v.fill.Refuse(false)
			ifNoneMatch, ifModifiedSince = v.ifNoneMatch, v.ifModifiedSince // those on the request are ours
		}
		v.outcome = cache.Stale
		dropStored(&r.Header) // the error's own; other plugins' fields stay
		p.serveAs(x, v.key, v.stale, now, cacheStale, ifNoneMatch, ifModifiedSince)
	case v.fill != nil && !x.Proxied:
		// The gateway's own error. A client that went away says nothing of the
		// kind: Log abandons its fill.
		if status != statusClientGone {
			v.fill.Refuse(false)
		}
	case v.fill != nil:
		p.keep(x, v, now)
	}
}

// isPrivate tells whether an answer says that it is for one client. That counts
// also where the rest of Cache-Control is not followed.
func isPrivate(response cache.Headers) bool {
	return cache.ParseCacheControl(response.PeekAll(fasthttp.HeaderCacheControl)).Private
}

// keep stores the response, now or when its stream has passed.
func (p *proxyCache) keep(x *plugin.Exchange, v *cacheVisit, now time.Time) {
	r := &x.Ctx.Response
	e := &cache.Entry{Status: r.StatusCode()}
	size := r.Header.ContentLength()
	plugin.StampDate(&r.Header, now)
	storable := p.codes[e.Status] && e.Status != fasthttp.StatusPartialContent && p.takesType(r.Header.ContentType()) &&
		p.policy.Judge(e, asForwarded(x), &r.Header, now) && !isPrivate(&r.Header) && size <= p.store.MaxEntryBytes()
	if storable && !r.IsBodyStream() {
		storable = len(r.Body()) <= p.store.MaxEntryBytes()
	}
	if !storable {
		// An error says nothing about the resource; the rest is its nature.
		v.fill.Refuse(e.Status < 500)
		v.outcome = cache.Bypass
		x.CacheStatus = cacheBypass
		p.answerCondition(x, v)
		return
	}
	e.Header = storedFields(&r.Header)
	v.fill.Aim(e, asForwarded(x))
	if r.IsBodyStream() {
		v.spooling = true
		p.spoolBody(x, size, e, v.fill)
		return
	}
	e.Body = append(make([]byte, 0, len(r.Body())), r.Body()...)
	v.fill.Store(e)
	p.answerCondition(x, v)
}

// renew keeps a stored response for longer, as a 304 to our own condition
// allows, and answers with it.
func (p *proxyCache) renew(x *plugin.Exchange, v *cacheVisit, now time.Time) {
	r := &x.Ctx.Response
	e := &cache.Entry{Status: v.stale.Status, Body: v.stale.Body}
	plugin.StampDate(&r.Header, now)
	updated := updatedFields{fresh: &r.Header, stored: v.stale}
	ok := p.policy.Judge(e, asForwarded(x), updated, now) && !isPrivate(updated)
	e.Header, e.Encoding = updated.fields(), v.stale.Encoding
	dropStored(&r.Header) // they are in e.Header
	if !ok {
		// No longer to be stored, but the 304 vouches for it this once.
		v.fill.Refuse(false)
		e.Generated, e.FreshUntil = now, now
		e.ETag, e.LastModified = v.stale.ETag, v.stale.LastModified
		p.serveAs(x, v.key, e, now, cacheRefresh, v.ifNoneMatch, v.ifModifiedSince)
		return
	}
	v.fill.Aim(e, asForwarded(x))
	v.fill.Store(e)
	p.serveAs(x, v.key, e, now, cacheRefresh, v.ifNoneMatch, v.ifModifiedSince)
}

// answerCondition makes a 304 of a whole answer to a request whose condition
// was taken off.
func (p *proxyCache) answerCondition(x *plugin.Exchange, v *cacheVisit) {
	r := &x.Ctx.Response
	if r.StatusCode() != fasthttp.StatusOK || r.IsBodyStream() || v.ifNoneMatch == nil && v.ifModifiedSince == nil {
		return
	}
	modified, _ := fasthttp.ParseHTTPDate(r.Header.Peek(fasthttp.HeaderLastModified))
	if notModified(string(r.Header.Peek(fasthttp.HeaderETag)), modified, v.ifNoneMatch, v.ifModifiedSince) {
		r.ResetBody()
		r.SetStatusCode(fasthttp.StatusNotModified)
	}
}
