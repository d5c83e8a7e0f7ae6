package dbless

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	applySeconds prometheus.Histogram
	applyErrors  prometheus.Counter
	rejected     prometheus.Gauge
	at           prometheus.Gauge
}

// newMetrics makes the metrics and registers them, where reg is not nil. Those of
// applying have the names that they have with a database.
func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		applySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_config_apply_seconds", Help: "Duration of building a snapshot and putting it into use.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 16),
		}),
		applyErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_config_apply_errors_total", Help: "Revisions of the configuration that were rejected.",
		}),
		rejected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_declarative_config_rejected",
			Help: "1 where the newest declarative configuration was rejected and an older one is in use, else 0.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_declarative_config_timestamp_seconds",
			Help: "When the declarative configuration in use was put into use, Unix seconds; 0: there is none yet.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.applySeconds, m.applyErrors, m.rejected, m.at)
	}
	return m
}

func (m *metrics) loaded(now time.Time) {
	m.rejected.Set(0)
	m.at.Set(float64(now.UnixMilli()) / 1000)
}

func (m *metrics) failed() {
	m.rejected.Set(1)
	m.applyErrors.Inc()
}
