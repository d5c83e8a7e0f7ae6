package proxy

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Connections counts the clients' connections, and the requests on them.
func (s *Server) Connections() plugin.Connections {
	c := s.clients
	accepted, refused := c.accepted.Load(), c.refused.Load()
	return plugin.Connections{
		Accepted: accepted, Handled: accepted - refused, Requests: s.proxy.requests(),
		Active: int(c.open.Load()), Writing: int(s.proxy.inFlight()),
	}
}

// requests is how many requests were answered since the start.
func (p *Proxy) requests() uint64 { return sum(p.metrics.requests) }

// inFlight is how many requests are being worked on; tunnels are not among them.
func (p *Proxy) inFlight() int64 { return p.busy.Load() }

// sum adds up the counters of a vector.
func sum(v *prometheus.CounterVec) uint64 {
	all := make(chan prometheus.Metric)
	go func() {
		v.Collect(all)
		close(all)
	}()
	total := 0.0
	for m := range all {
		var d dto.Metric
		if m.Write(&d) == nil {
			total += d.GetCounter().GetValue()
		}
	}
	return uint64(total)
}
