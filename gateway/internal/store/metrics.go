package store

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	wait     prometheus.Histogram
	timeouts prometheus.Counter
	retries  prometheus.Counter
	resets   prometheus.Counter
	pruned   prometheus.Counter
}

func newMetrics(pool *pgxpool.Pool, reg prometheus.Registerer) *metrics {
	m := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_postgres_acquire_seconds", Help: "Wait for a connection of the pool.",
			Buckets: []float64{.00001, .0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		timeouts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_postgres_acquire_timeouts_total", Help: "Waits for a connection that timed out.",
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_postgres_retries_total",
			Help: "Transactions that were retried because the first connection was dead, read-only or closed by the server.",
		}),
		resets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_postgres_resets_total", Help: "Resets of the pool, which discard all its connections; at most one per second.",
		}),
		pruned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_revisions_pruned_total", Help: "Old revisions that this replica deleted.",
		}),
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.wait, m.timeouts, m.retries, m.resets, m.pruned)
	for state, read := range map[string]func(*pgxpool.Stat) int32{
		"in_use": (*pgxpool.Stat).AcquiredConns, "idle": (*pgxpool.Stat).IdleConns, "max": (*pgxpool.Stat).MaxConns,
	} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_postgres_connections", Help: "Connections of the pool, by state.", ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(read(pool.Stat())) }))
	}
	return m
}

func (m *metrics) acquired(wait time.Duration) { m.wait.Observe(wait.Seconds()) }
