package upstream

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what happens to targets; how they stand now is read when it is
// asked for.
type metrics struct {
	pools      *Pools
	retries    map[string]prometheus.Counter // by reason
	exhausted  prometheus.Counter
	ejections  *prometheus.CounterVec
	probes     *prometheus.CounterVec
	health     *prometheus.Desc
	breaker    *prometheus.Desc
	noHealthy  prometheus.Counter
	retriesVec *prometheus.CounterVec

	unsolicited map[string]prometheus.Counter // by when
	warned      atomic.Int64                  // of unsolicited bytes, in Unix seconds
}

// Why a request was retried.
const (
	whyConnect = "connect" // it had not left
	whyBroken  = "broken"  // the connection broke before the answer
	whyStatus  = "status"  // the answer was one of the statuses to retry
)

// When bytes came that no request had asked for.
const (
	whenAnswered = "answered" // together with an answer, beyond its end
	whenIdle     = "idle"     // on a kept connection
	whenSending  = "sending"  // on a kept connection, before the upstream had the next request
)

func newMetrics(p *Pools, reg prometheus.Registerer) *metrics {
	m := &metrics{pools: p, retries: map[string]prometheus.Counter{}}
	m.retriesVec = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_upstream_retries_total",
		Help: "Requests that were sent to an upstream again, by reason: connect, broken or status.",
	}, []string{"reason"})
	for _, why := range []string{whyConnect, whyBroken, whyStatus} {
		m.retries[why] = m.retriesVec.WithLabelValues(why)
	}
	m.exhausted = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_upstream_retry_budget_exhausted_total",
		Help: "Requests that were not sent again because the retry budget was spent.",
	})
	m.noHealthy = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_upstream_no_target_total",
		Help: "Requests for which no target was available.",
	})
	m.ejections = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_upstream_ejections_total",
		Help: "Targets that were ejected, by cause: connection, timeout, status, active or manual.",
	}, []string{"upstream", "target", "cause"})
	m.probes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_upstream_probes_total",
		Help: "Active health checks, by result: good, connection, timeout, status or other.",
	}, []string{"upstream", "result"})
	m.unsolicited = map[string]prometheus.Counter{}
	unsolicited := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_upstream_unsolicited_total",
		Help: "Upstream connections closed because of bytes that no request had asked for, by when they came: answered, idle or sending.",
	}, []string{"when"})
	for _, when := range []string{whenAnswered, whenIdle, whenSending} {
		m.unsolicited[when] = unsolicited.WithLabelValues(when)
	}
	label := []string{"upstream", "target"}
	m.health = prometheus.NewDesc("gateway_upstream_target_healthy", "1 while a target gets traffic, 0 while it is ejected.", label, nil)
	m.breaker = prometheus.NewDesc("gateway_upstream_breaker_state", "A target's circuit breaker: 0 closed, 1 half-open, 2 open.", label, nil)
	if reg != nil {
		reg.MustRegister(m.retriesVec, m.exhausted, m.noHealthy, m.ejections, m.probes, unsolicited, m)
	}
	return m
}

// Describe is prometheus.Collector's.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.health; ch <- m.breaker }

// Collect is prometheus.Collector's. Targets that are reached with and without
// TLS are one here, and the worse counts.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	worst, now := map[[2]string]State{}, time.Now()
	m.pools.each(func(t *Target) {
		if t.host.services() != nil {
			return // those to which its name leads are there
		}
		k := [2]string{t.label, t.Address}
		worst[k] = max(worst[k], t.state(now))
	})
	for k, s := range worst {
		up := 1.0
		if s != Closed {
			up = 0
		}
		ch <- prometheus.MustNewConstMetric(m.health, prometheus.GaugeValue, up, k[0], k[1])
		ch <- prometheus.MustNewConstMetric(m.breaker, prometheus.GaugeValue, float64(s), k[0], k[1])
	}
}

// ejected and healed are called by targets; those of tests have no metrics.
func (m *metrics) ejected(t *Target, cause string) {
	if m == nil {
		return
	}
	m.ejections.WithLabelValues(t.label, t.Address, cause).Inc()
	if log := m.pools.config.Log; log != nil {
		log.Warn("target is unhealthy", "upstream", t.label, "target", t.Address, "cause", cause)
	}
}

// warnEvery is how often unsolicited bytes are logged at most.
const warnEvery = 60 // seconds

// distrustFor is how long connections to a target that sent unsolicited bytes
// are used for one request only. Bytes that come while the next request is on
// its way cannot always be told from its answer: a target that does it once gets
// no second request to answer wrongly.
const distrustFor = 60 // seconds

// isDistrusted tells whether the target sent unsolicited bytes not long ago.
func (t *Target) isDistrusted() bool {
	at := t.distrusted.Load()
	return at != 0 && time.Now().Unix()-at < distrustFor
}

// unsolicitedBytes counts a connection that is closed because of bytes that no
// request had asked for.
func (m *metrics) unsolicitedBytes(t *Target, when string) {
	m.unsolicited[when].Inc()
	t.distrusted.Store(time.Now().Unix())
	log, now := m.pools.config.Log, time.Now().Unix()
	if last := m.warned.Load(); log != nil && now-last >= warnEvery && m.warned.CompareAndSwap(last, now) {
		log.Warn("target sent bytes that no request had asked for; the connection is closed", "upstream", t.label, "target", t.Address,
			"when", when)
	}
}

func (m *metrics) healed(t *Target) {
	if m == nil {
		return
	}
	if log := m.pools.config.Log; log != nil {
		log.Info("target is healthy again", "upstream", t.label, "target", t.Address)
	}
}
