package prometheus

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// config is the prometheus plugin's configuration.
type config struct {
	PerConsumer    bool `json:"per_consumer"`
	StatusCodes    bool `json:"status_code_metrics"`
	Latency        bool `json:"latency_metrics"`
	Bandwidth      bool `json:"bandwidth_metrics"`
	UpstreamHealth bool `json:"upstream_health_metrics"`
}

// prom exports what Kong's own plugin does, under Kong's names, so that
// dashboards made for Kong show this gateway. The gateway's own metrics
// (gateway_*) need no plugin.
type prom struct {
	config
	metrics *kongMetrics
	series  sync.Map // promKey -> *promSeries
}

type promKey struct {
	route    *entity.Route
	consumer *entity.Consumer
	code     int
	source   string
}

// promSeries are a key's metrics, resolved once.
type promSeries struct {
	requests, in, out        prometheus.Counter
	request, kong, upstreams prometheus.Observer
}

type kongMetrics struct {
	requests, bandwidth          *prometheus.CounterVec
	request, overhead, upstreams *prometheus.HistogramVec
}

var kongBuckets = []float64{1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1000, 3000, 6000, 30000, 60000}

// exporter is what all prometheus plugins of a process share.
type exporter struct {
	mu   sync.Mutex
	node *kongNode // made by the first plugin; nil: there was none yet
}

func (e *exporter) newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	var pr prom
	if err := plugin.DecodeConfig(c, &pr.config); err != nil {
		return nil, err
	}
	m := newKongMetrics()
	var err error
	register(d.Registerer, &m.requests, &err)
	register(d.Registerer, &m.bandwidth, &err)
	register(d.Registerer, &m.request, &err)
	register(d.Registerer, &m.overhead, &err)
	register(d.Registerer, &m.upstreams, &err)
	pr.metrics = m
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.node == nil {
		e.node = newKongNode(d)
	}
	register(d.Registerer, &e.node, &err)
	return &pr, err
}

// use says which plugins serve.
func (e *exporter) use(plugins []plugin.Plugin) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.node != nil {
		e.node.use(plugins)
	}
}

func newKongMetrics() *kongMetrics {
	histogram := func(name, help string) *prometheus.HistogramVec {
		opts := prometheus.HistogramOpts{Name: name, Help: help, Buckets: kongBuckets}
		return prometheus.NewHistogramVec(opts, []string{"service", "route"})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &kongMetrics{
		requests: counter("kong_http_requests_total", "HTTP status codes per consumer, service and route.",
			"service", "route", "code", "source", "consumer"),
		bandwidth: counter("kong_bandwidth_bytes", "Bytes of body in (ingress) and out (egress).",
			"service", "route", "direction", "consumer"),
		request:   histogram("kong_request_latency_ms", "Total latency of a request, in ms."),
		overhead:  histogram("kong_kong_latency_ms", "Latency added by the gateway, in ms."),
		upstreams: histogram("kong_upstream_latency_ms", "Latency of the upstream, in ms."),
	}
}

// register takes the collector that an earlier configuration registered, if
// there is one: metrics survive configurations.
func register[C prometheus.Collector](reg prometheus.Registerer, c *C, err *error) {
	if *err == nil {
		*c, *err = plugin.Registered(reg, *c)
	}
}

// Log counts the request.
func (p *prom) Log(x *plugin.Exchange) {
	s := p.of(x)
	if s.requests != nil {
		s.requests.Inc()
	}
	if s.in != nil {
		s.in.Add(float64(x.Received))
		s.out.Add(float64(x.Sent))
	}
	if s.request != nil {
		total := time.Since(x.Started)
		x.Observe(s.request, ms(total))
		x.Observe(s.kong, ms(total-x.UpstreamLatency))
		if x.Proxied {
			x.Observe(s.upstreams, ms(x.UpstreamLatency))
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (p *prom) of(x *plugin.Exchange) *promSeries {
	k := promKey{route: x.Route, code: x.Ctx.Response.StatusCode(), source: "exit"}
	if x.Proxied {
		k.source = "service"
	}
	if p.PerConsumer {
		k.consumer = x.Consumer
	}
	if s, ok := p.series.Load(k); ok {
		return s.(*promSeries)
	}
	service, consumer := "", ""
	if x.Service != nil {
		service = nameOr(x.Service.Name, x.Service.ID)
	}
	if k.consumer != nil {
		consumer = nameOr(k.consumer.Username, k.consumer.ID)
	}
	route := nameOr(x.Route.Name, x.Route.ID)
	var s promSeries
	if p.StatusCodes {
		s.requests = p.metrics.requests.WithLabelValues(service, route, strconv.Itoa(k.code), k.source, consumer)
	}
	if p.Bandwidth {
		s.in = p.metrics.bandwidth.WithLabelValues(service, route, "ingress", consumer)
		s.out = p.metrics.bandwidth.WithLabelValues(service, route, "egress", consumer)
	}
	if p.Latency {
		s.request = p.metrics.request.WithLabelValues(service, route)
		s.kong = p.metrics.overhead.WithLabelValues(service, route)
		s.upstreams = p.metrics.upstreams.WithLabelValues(service, route)
	}
	got, _ := p.series.LoadOrStore(k, &s)
	return got.(*promSeries)
}

func nameOr(name, id string) string {
	if name != "" {
		return name
	}
	return id
}
