package cache

import "github.com/prometheus/client_golang/prometheus"

// Outcome is what the cache did for one request.
type Outcome uint8

// The outcomes.
const (
	HitMemory Outcome = iota
	HitRedis
	Miss      // the origin was asked, also to refresh what was stale
	Bypass    // the cache did not take part
	Stale     // a stored response past its freshness was used
	Coalesced // answered by what another request's fetch brought
	outcomes
)

type metrics struct {
	requests  *prometheus.CounterVec
	byOutcome [outcomes]prometheus.Counter
	evictions prometheus.Counter
	drops     *prometheus.CounterVec

	dropQueue, dropRedis, dropPurged, dropInvalidation prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_cache_requests_total",
			Help: "Requests that the proxy-cache plugin saw, by outcome; tier says where a hit was found."}, []string{"outcome", "tier"}),
		evictions: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_cache_evictions_total",
			Help: "Entries that the memory tier gave up for want of room or because their time was over."}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_cache_redis_write_drops_total",
			Help: "What was not written to Redis: queue (full), redis (unavailable or failed), purged (meanwhile), " +
				"invalidation (that could not be told)."}, []string{"reason"}),
	}
	for o, l := range [outcomes][2]string{HitMemory: {"hit", "memory"}, HitRedis: {"hit", "redis"}, Miss: {"miss", ""},
		Bypass: {"bypass", ""}, Stale: {"stale", ""}, Coalesced: {"coalesced", ""}} {
		m.byOutcome[o] = m.requests.WithLabelValues(l[0], l[1])
	}
	m.dropQueue = m.drops.WithLabelValues("queue")
	m.dropRedis = m.drops.WithLabelValues("redis")
	m.dropPurged = m.drops.WithLabelValues("purged")
	m.dropInvalidation = m.drops.WithLabelValues("invalidation")
	return m
}

func (m *metrics) register(reg prometheus.Registerer, mem *memory, ahead func() float64) {
	if reg == nil {
		return
	}
	reg.MustRegister(m.requests, m.evictions, m.drops,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_cache_ahead_bytes",
			Help: "Bytes that cache fills have read from origins ahead of their clients."}, ahead),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_cache_bytes",
			Help: "Bytes that the memory tier holds.",
		}, mem.bytes),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_cache_entries",
			Help: "Entries that the memory tier holds.",
		}, mem.entries))
}

// Count adds one request to gateway_cache_requests_total.
func (s *Store) Count(o Outcome) { s.metrics.byOutcome[o].Inc() }
