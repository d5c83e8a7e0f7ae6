package proxy

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBuckets are seconds, from a memory hit to a slow model's answer.
var latencyBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// fromStart are statuses that alerts read and that are counted from 0 before
// any request, of none of the routes: rules tell by them that an instance was
// scraped before a route's first error. Five series of each route would be
// 50,000 with 10,000 routes, 4 MB a scrape.
var fromStart = []int{429, 500, 502, 503, 504}

// metrics are the gateway's own. Series live as long as the process, so that
// counters never go back when the configuration changes.
type metrics struct {
	requests *prometheus.CounterVec
	total    *prometheus.HistogramVec
	upstream *prometheus.HistogramVec
	overhead *prometheus.HistogramVec
	panics   prometheus.Counter
	unknown  *series // of requests that have no snapshot, or cannot be parsed

	mu  sync.Mutex
	all map[[2]string]*series
	obs map[string]*latency
}

// series are the metrics of one route, found without hashing labels.
type series struct {
	m              *metrics
	service, route string
	latency        *latency // shared by the routes of a service
	mu             sync.Mutex
	byStatus       atomic.Pointer[[]statusCounter] // few: searched in order
}

type statusCounter struct {
	status  int
	counter prometheus.Counter
}

// latency are a service's histograms, made by the first request.
type latency struct {
	m       *metrics
	service string
	made    atomic.Pointer[observers]
}

type observers struct {
	total, upstream, overhead prometheus.Observer
}

func (l *latency) get() *observers {
	if o := l.made.Load(); o != nil {
		return o
	}
	// Another goroutine that does it at the same time gets the same histograms.
	o := &observers{l.m.total.WithLabelValues(l.service), l.m.upstream.WithLabelValues(l.service), l.m.overhead.WithLabelValues(l.service)}
	l.made.Store(o)
	return o
}

func newMetrics(reg prometheus.Registerer, p *Proxy) *metrics {
	m := &metrics{all: map[[2]string]*series{}, obs: map[string]*latency{}}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets}, []string{"service"})
	}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_requests_total",
		Help: "Requests answered, by service, route and status.",
	}, []string{"service", "route", "status"})
	m.total = histogram("gateway_request_duration_seconds", "From a request's arrival to its response's end.")
	m.upstream = histogram("gateway_upstream_duration_seconds", "From sending to the upstream until its headers.")
	m.overhead = histogram("gateway_overhead_duration_seconds", "What the gateway itself added to a request.")
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_in_flight_requests",
		Help: "Requests that are being worked on.",
	},
		func() float64 { return float64(p.busy.Load()) })
	revision := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_snapshot_revision",
		Help: "Revision of the configuration in use; -1 before the first.",
	},
		func() float64 { return float64(p.Revision()) })
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_snapshot_age_seconds",
		Help: "Time since the configuration in use was built.",
	}, func() float64 {
		if s := p.snapshot.Load(); s != nil {
			return time.Since(s.made).Seconds()
		}
		return 0
	})
	idle := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_upstream_idle_connections",
		Help: "Kept connections to targets.",
	},
		func() float64 { return float64(p.pools.Idle()) })
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_panics_total",
		Help: "Requests that met a bug of the gateway.",
	})
	m.unknown = m.series("", "")
	for _, status := range fromStart {
		m.unknown.counter(status)
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.total, m.upstream, m.overhead, inFlight, m.panics, revision, age, idle)
	}
	return m
}

// series finds or makes the series of a route. No metric exists before the
// first request, so a scrape costs what is used, not what is configured.
func (m *metrics) series(service, route string) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := [2]string{service, route}
	if s, ok := m.all[k]; ok {
		return s
	}
	o, ok := m.obs[service]
	if !ok {
		o = &latency{m: m, service: service}
		m.obs[service] = o
	}
	s := &series{m: m, service: service, route: route, latency: o}
	s.byStatus.Store(&[]statusCounter{})
	m.all[k] = s
	return s
}

func (s *series) count(status int) { s.counter(status).Inc() }

// counter finds or makes the counter of a status.
func (s *series) counter(status int) prometheus.Counter {
	for _, c := range *s.byStatus.Load() {
		if c.status == status {
			return c.counter
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have := *s.byStatus.Load()
	for _, c := range have {
		if c.status == status {
			return c.counter
		}
	}
	c := statusCounter{status, s.m.requests.WithLabelValues(s.service, s.route, strconv.Itoa(status))}
	grown := append(append([]statusCounter(nil), have...), c)
	s.byStatus.Store(&grown)
	return c.counter
}
