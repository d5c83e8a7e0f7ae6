package adaptiveconcurrency

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// target is an upstream with the bounds of its limit.
type target struct {
	host string
	port int
	bounds
}

// forgetAfter is for how long an upstream is remembered that is asked nothing.
const forgetAfter = 10 * time.Minute

// upstreams are the limiters by upstream.
type upstreams struct {
	mu sync.RWMutex
	of map[target]*limiter // guarded by mu
}

// limiter finds what is known of an upstream, or begins it.
func (u *upstreams) limiter(t target) *limiter {
	u.mu.RLock()
	l := u.of[t]
	u.mu.RUnlock()
	if l != nil {
		return l
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if l = u.of[t]; l == nil {
		l = newLimiter(t.bounds)
		l.usedAt.Store(time.Now().Unix())
		u.of[t] = l
	}
	return l
}

// forget drops upstreams that have not been asked for long.
func (u *upstreams) forget() {
	before := time.Now().Add(-forgetAfter).Unix()
	u.mu.Lock()
	defer u.mu.Unlock()
	for t, l := range u.of {
		if l.inFlight.Load() == 0 && l.usedAt.Load() < before {
			delete(u.of, t)
		}
	}
}

// metrics are shared by all plugins of this kind.
type metrics struct {
	sheds     [classes]prometheus.Counter
	wouldShed prometheus.Counter
	upstreams *exporter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{}
	sheds, err := plugin.ConcurrencySheds(reg)
	if err != nil {
		return nil, err
	}
	for class, of := range priorities {
		m.sheds[class] = sheds.WithLabelValues(name, of)
	}
	m.wouldShed = sheds.WithLabelValues(name, "dry_run")
	m.upstreams, err = plugin.Registered(reg, newExporter())
	return m, err
}

// exporter tells what is known of upstreams, when it is asked.
type exporter struct {
	limit, inFlight, base *prometheus.Desc
	known                 atomic.Pointer[upstreams]
}

func newExporter() *exporter {
	label := []string{"upstream"}
	return &exporter{
		limit: prometheus.NewDesc("gateway_adaptive_concurrency_limit",
			"Requests that may be in flight at an upstream now, as adaptive-concurrency found out.", label, nil),
		inFlight: prometheus.NewDesc("gateway_adaptive_concurrency_in_flight",
			"Requests in flight at an upstream that adaptive-concurrency counts.", label, nil),
		base: prometheus.NewDesc("gateway_adaptive_concurrency_baseline_seconds",
			"Latency of an upstream that is not crowded, as adaptive-concurrency found out; 0: not known yet.", label, nil),
	}
}

func (e *exporter) show(u *upstreams) { e.known.Store(u) }

// Describe is prometheus.Collector's.
func (e *exporter) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{e.limit, e.inFlight, e.base} {
		to <- d
	}
}

// Collect is prometheus.Collector's. Of an upstream with several limits it tells the lowest.
func (e *exporter) Collect(to chan<- prometheus.Metric) {
	u := e.known.Load()
	if u == nil {
		return
	}
	type told struct {
		limit, inFlight int64
		base            time.Duration
	}
	all := map[string]told{}
	u.mu.RLock()
	for t, l := range u.of {
		limit, base := l.state()
		before, had := all[t.label()]
		now := told{limit, before.inFlight + l.inFlight.Load(), base}
		if had && before.limit < limit {
			now.limit, now.base = before.limit, before.base
		}
		all[t.label()] = now
	}
	u.mu.RUnlock()
	for label, s := range all {
		to <- prometheus.MustNewConstMetric(e.limit, prometheus.GaugeValue, float64(s.limit), label)
		to <- prometheus.MustNewConstMetric(e.inFlight, prometheus.GaugeValue, float64(s.inFlight), label)
		to <- prometheus.MustNewConstMetric(e.base, prometheus.GaugeValue, s.base.Seconds(), label)
	}
}

var _ prometheus.Collector = (*exporter)(nil)
