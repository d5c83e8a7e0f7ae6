package cache

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

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
	leases    *prometheus.CounterVec
	waits     prometheus.Histogram

	dropQueue, dropRedis, dropMemory, dropPurged, dropInvalidation prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_cache_requests_total",
			Help: "Requests that the proxy-cache plugin saw, by outcome; tier says where a hit was found."}, []string{"outcome", "tier"}),
		evictions: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_cache_evictions_total",
			Help: "Entries that the memory tier gave up for want of room or because their time was over."}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_cache_redis_write_drops_total",
			Help: "What was not written to Redis: queue (full), redis (unavailable or failed), memory (Redis has none left), " +
				"purged (meanwhile), invalidation (that could not be told)."}, []string{"reason"}),
		leases: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gateway_cache_leases_total",
			Help: "Misses that asked Redis for the right to fetch: taken, inherited (from a replica that was lost or gave up), " +
				"followed (another replica's fetch was the answer), passed (not cacheable), failed (another's fetch), " +
				"timeout (waited for too long), unavailable (no lease of Redis)."}, []string{"result"}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gateway_cache_lease_wait_seconds",
			Help:    "Time that a miss waited for the fetch of another replica.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}}),
	}
	for o, l := range [outcomes][2]string{HitMemory: {"hit", "memory"}, HitRedis: {"hit", "redis"}, Miss: {"miss", ""},
		Bypass: {"bypass", ""}, Stale: {"stale", ""}, Coalesced: {"coalesced", ""}} {
		m.byOutcome[o] = m.requests.WithLabelValues(l[0], l[1])
	}
	m.dropQueue = m.drops.WithLabelValues("queue")
	m.dropRedis = m.drops.WithLabelValues("redis")
	m.dropMemory = m.drops.WithLabelValues("memory")
	m.dropPurged = m.drops.WithLabelValues("purged")
	m.dropInvalidation = m.drops.WithLabelValues("invalidation")
	for _, result := range leaseResults {
		m.leases.WithLabelValues(result)
	}
	return m
}

const (
	leaseTaken     = "taken"
	leaseInherited = "inherited"
	leaseFollow    = "followed"
)

// leaseResults are what becomes of a miss that asks for a lease.
var leaseResults = []string{leaseTaken, leaseInherited, leaseFollow, "passed", "failed", "timeout", "unavailable"}

// leaseEnded counts how a look ended that brought no answer.
func (m *metrics) leaseEnded(c claim, p *patience) {
	result := "unavailable"
	switch c {
	case claimed:
		result = leaseTaken
		if p.waited() {
			result = leaseInherited
		}
	case awaited:
		result = "timeout"
	case passing:
		result = "passed"
	case failing:
		result = "failed"
	case unclaimed, unknown:
	}
	m.leases.WithLabelValues(result).Inc()
	m.observeWait(p)
}

// leaseFollowed counts a wait whose end was an answer.
func (m *metrics) leaseFollowed(p *patience) {
	m.leases.WithLabelValues(leaseFollow).Inc()
	m.observeWait(p)
}

func (m *metrics) observeWait(p *patience) {
	if p.waited() {
		m.waits.Observe(time.Since(p.began).Seconds())
	}
}

func (m *metrics) register(reg prometheus.Registerer, s *Store) {
	if reg == nil {
		return
	}
	mem := s.memory
	reg.MustRegister(m.requests, m.evictions, m.drops, m.leases, m.waits,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_cache_purge_rules",
			Help: "Purge rules by tag, route and prefix that entries are checked against at lookup."}, s.bans.size),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_cache_waiting_requests",
			Help: "Requests that wait for what another request of this replica fetches."},
			func() float64 { return float64(s.waiting.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_cache_ahead_bytes",
			Help: "Bytes that cache fills have read from origins ahead of their clients."},
			func() float64 { return float64(s.ahead.Load()) }),
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
