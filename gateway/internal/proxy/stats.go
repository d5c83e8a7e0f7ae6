package proxy

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"gatelab/gateway/internal/plugin"
)

// Connections counts the clients' connections, and the requests on them.
func (s *Server) Connections() plugin.Connections {
	accepted := s.proxy.handovers.accepted.Load()
	active := int64(s.proxy.handovers.count.Load()) // tunnels and the like
	if s.listener.Load() != nil {
		// fasthttp takes one off once its listener is gone.
		active += int64(max(s.http.GetOpenConnectionsCount(), 0))
	}
	refused := uint64(s.http.GetRejectedConnectionsCount())
	return plugin.Connections{
		Accepted: accepted + refused, Handled: accepted, Requests: sum(s.proxy.metrics.requests),
		Active: int(active), Writing: int(s.proxy.busy.Load()),
	}
}

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
