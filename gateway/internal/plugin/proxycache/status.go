package proxycache

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
)

// Why a request went to the upstream, as Cache-Status says it (RFC 9211, 2.2).
const (
	fwdBypass   = "bypass"
	fwdMethod   = "method"
	fwdURIMiss  = "uri-miss"
	fwdVaryMiss = "vary-miss"
	fwdRequest  = "request"
	fwdStale    = "stale"
)

var headerStatus = []byte("Cache-Status")

// statusName is what the gateway calls itself in Cache-Status.
const statusName = "gatelab"

// reported is a member of Cache-Status: what this cache did.
type reported struct {
	hit       bool
	fwd       string // "": it was not forwarded
	fwdStatus int    // of the upstream, where the client gets another; 0: the same
	stored    bool
	collapsed bool
	entry     *cache.Entry // tells the time to live; nil: none
	detail    string
}

// report appends the member to those of caches nearer to the origin. It does not
// allocate.
func (p *proxyCache) report(r *fasthttp.Response, s *reported, now time.Time) {
	if !p.showReport {
		return
	}
	var space [160]byte
	b := append(space[:0], statusName...)
	if s.hit {
		b = append(b, "; hit"...)
	}
	if s.fwd != "" {
		b = append(append(b, "; fwd="...), s.fwd...)
	}
	if s.fwdStatus != 0 {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(s.fwdStatus), 10)
	}
	if s.stored {
		b = append(b, "; stored"...)
	}
	if s.collapsed {
		b = append(b, "; collapsed"...)
	}
	if s.entry != nil {
		ttl := s.entry.FreshUntil.Sub(now)
		if ttl < 0 {
			ttl -= time.Second - 1 // what is stale has less than nothing left
		}
		b = strconv.AppendInt(append(b, "; ttl="...), int64(ttl/time.Second), 10)
	}
	if s.detail != "" {
		b = append(append(b, "; detail="...), s.detail...)
	}
	r.Header.AddBytesKV(headerStatus, b)
}

// collapsedFor says why a request was forwarded whose answer serves this one too; "" for
// one that was answered from the store.
func collapsedFor(found *cache.Found) string {
	switch {
	case found.Outcome != cache.Coalesced:
		return ""
	case found.Renewed:
		return fwdStale
	case found.Varies:
		return fwdVaryMiss
	}
	return fwdURIMiss
}

// forwardedFor says why a request that was looked up is forwarded.
func forwardedFor(found *cache.Found, now time.Time) string {
	switch {
	case found.Entry != nil && found.Entry.Kind == cache.Response && found.Entry.Fresh(now):
		return fwdRequest
	case found.Entry != nil && found.Entry.Kind == cache.Response:
		return fwdStale
	case found.Varies:
		return fwdVaryMiss
	}
	return fwdURIMiss
}
