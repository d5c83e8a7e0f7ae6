package proxy

import (
	"time"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// record is what metrics and the access log say about a request, beside its
// Exchange.
type record struct {
	failure error         // what went wrong
	refused *refusal      // why the request was not admitted
	ownTime time.Duration // until the upstream was asked, or the gateway had answered
	tunnel  *tunnel       // after 101
}

// write counts and logs a request that has ended.
func (r *record) write(p *Proxy, x *plugin.Exchange, s *series, now time.Time) {
	total := now.Sub(x.Started)
	status := x.Ctx.Response.StatusCode()
	s.count(status)
	latency := s.latency.get()
	if r.tunnel == nil { // which lasts as long as it is used
		x.Observe(latency.total, total.Seconds())
	}
	x.Observe(latency.overhead, r.ownTime.Seconds())
	if x.Proxied {
		x.Observe(latency.upstream, x.UpstreamLatency.Seconds())
	}
	if p.access.wants(status, r.failure, now) {
		if r.refused != nil { // no failure: a client may send as many as it likes
			r.failure = r.refused
		}
		p.access.write(x, total, r)
	}
}
