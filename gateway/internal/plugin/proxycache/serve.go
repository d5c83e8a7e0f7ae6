package proxycache

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// serve answers with e, as far as the client asks for it. collapsed says why a request was
// forwarded whose answer this is too, "" for a hit.
func (p *proxyCache) serve(x *plugin.Exchange, key cache.Key, e *cache.Entry, now time.Time, collapsed string) {
	status := cacheHit
	if !e.Fresh(now) {
		status = cacheStale
	}
	said := reported{hit: collapsed == "", collapsed: collapsed != "", fwd: collapsed, entry: e}
	p.serveAs(x, key, e, now, status, conditionOf(&x.Ctx.Request.Header), &said)
}

func (p *proxyCache) serveAs(x *plugin.Exchange, key cache.Key, e *cache.Entry, now time.Time, status string, c condition, said *reported) {
	x.CacheStatus = status
	r := &x.Ctx.Response
	r.SkipBody = false // set where the upstream's own answer, a 304 say, had no body
	unmodified := c.isSet() && e.Status == fasthttp.StatusOK && notModified(e.ETag, modified(e, now), c.noneMatch, c.modifiedSince)
	if unmodified {
		r.SetStatusCode(fasthttp.StatusNotModified)
		r.ResetBody()
	} else {
		r.SetStatusCode(e.Status)
		r.SetBodyRaw(e.Body)
	}
	for i := range e.Header {
		f := &e.Header[i]
		switch {
		case p.stripTags && cache.IsTagField(f.Name):
		case string(f.Name) == fasthttp.HeaderDate:
			plugin.SetDate(&r.Header, f.Value)
		case i > 0 && string(f.Name) == string(e.Header[i-1].Name):
			r.Header.AddBytesKV(f.Name, f.Value)
		default:
			r.Header.SetCanonical(f.Name, f.Value)
		}
	}
	if p.showAge {
		var digits [20]byte
		r.Header.SetCanonical(headerAge, strconv.AppendInt(digits[:0], int64(e.Age(now)), 10))
	}
	if !unmodified {
		serveRange(r, &x.Ctx.Request.Header, e, now)
	}
	p.label(r, key, status)
	p.report(r, said, now)
}

// refuse answers only-if-cached where nothing is.
func (p *proxyCache) refuse(x *plugin.Exchange, key cache.Key) {
	x.CacheStatus = cacheMiss
	r := &x.Ctx.Response
	plugin.Answer(r, fasthttp.StatusGatewayTimeout, onlyIfCachedBody)
	p.label(r, key, cacheMiss)
	p.report(r, &reported{detail: "only-if-cached"}, time.Time{})
}

// announce puts the status on a response that the upstream made.
func (p *proxyCache) announce(x *plugin.Exchange, v *cacheVisit) {
	r := &x.Ctx.Response
	if v.keyed {
		p.label(r, v.key, x.CacheStatus)
	} else if p.showStatus && x.CacheStatus != "" {
		r.Header.Set(headerCacheStatus, x.CacheStatus)
	}
}
