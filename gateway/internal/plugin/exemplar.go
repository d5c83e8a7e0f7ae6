package plugin

import (
	"encoding/hex"

	"github.com/prometheus/client_golang/prometheus"
)

// exemplarLabel names the trace of an exemplar, as Grafana and the specification of OpenMetrics do.
const exemplarLabel = "trace_id"

// Observe adds a value to a histogram. Where spans of the request are sent, the trace is the exemplar of the value's bucket; a request
// without costs nothing more than the value.
func (x *Exchange) Observe(to prometheus.Observer, value float64) {
	if x.Trace != [16]byte{} {
		if e, ok := to.(prometheus.ExemplarObserver); ok {
			e.ObserveWithExemplar(value, prometheus.Labels{exemplarLabel: hex.EncodeToString(x.Trace[:])})
			return
		}
	}
	to.Observe(value)
}
