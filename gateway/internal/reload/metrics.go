package reload

import "github.com/prometheus/client_golang/prometheus"

// applyBuckets are seconds, from a few routes to tens of thousands.
var applyBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

type metrics struct {
	applySeconds prometheus.Histogram
	applyErrors  prometheus.Counter
}

// newMetrics makes the metrics and registers them, where reg is not nil.
func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		applySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_config_apply_seconds", Help: "Duration of building a snapshot and putting it into use.",
			Buckets: applyBuckets,
		}),
		applyErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_config_apply_errors_total", Help: "Revisions of the configuration that were rejected.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.applySeconds, m.applyErrors)
	}
	return m
}
