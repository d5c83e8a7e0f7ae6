package session

import (
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/internal/webguard"
)

// ExporterConfig says where a session's metrics are served.
type ExporterConfig struct {
	Listen  string   // host:port of /metrics
	Hosts   []string // further host names under which it is scraped
	Version string   // of the harness
}

// Exporter serves a session's state as Prometheus metrics.
type Exporter struct {
	registry         *prometheus.Registry
	stage, faults    *prometheus.GaugeVec
	offered, reached prometheus.Gauge
	latency          *prometheus.GaugeVec
	requests         *prometheus.CounterVec

	mu     sync.Mutex
	attack string      // the id of the attack that seen belongs to
	seen   load.Counts // of that attack, as last told

	address string
	server  *http.Server
	serving sync.WaitGroup
}

var _ Observer = (*Exporter)(nil)

// NewExporter listens; Close ends that.
func NewExporter(c ExporterConfig) (*Exporter, error) {
	guard, err := webguard.New(webguard.Config{Listen: c.Listen, Hosts: c.Hosts})
	if err != nil {
		return nil, fmt.Errorf("metrics-hosts: %w", err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("metrics-listen %q: %w", c.Listen, err)
	}
	e := newExporter(c.Version)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 3}))
	e.address = l.Addr().String()
	e.server = webguard.NewServer(guard.Wrap(mux), webguard.Limits{})
	e.serving.Go(func() { _ = e.server.Serve(l) }) // ends with Close; an error would only say so
	return e, nil
}

func newExporter(version string) *Exporter {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	e := &Exporter{
		registry: prometheus.NewRegistry(),
		stage:    gauge("harness_stage_active", "1 while the stage is set up and measured.", "scenario", "stage"),
		faults:   gauge("harness_fault_active", "1 from a fault's injection until it has recovered.", "kind", "target"),
		offered: prometheus.NewGauge(prometheus.GaugeOpts{Name: "harness_offered_rate",
			Help: "Requests per second that the open-loop attack sends; 0 in a closed loop."}),
		reached: prometheus.NewGauge(prometheus.GaugeOpts{Name: "harness_achieved_rate",
			Help: "Successes in the attack's last full second."}),
		latency: gauge("harness_latency_seconds",
			"Latency of successes in the attack's last full second: corrected in an open loop, service in a closed one.", "kind", "quantile"),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "harness_requests_total",
			Help: "Requests in the measured windows of all attacks, by outcome: success, limited, error."}, []string{"outcome"}),
	}
	for _, outcome := range []string{"success", "limited", "error"} {
		e.requests.WithLabelValues(outcome)
	}
	build := gauge("harness_build_info", "1, labelled with the harness's version.", "version")
	build.WithLabelValues(version).Set(1)
	e.registry.MustRegister(e.stage, e.faults, e.offered, e.reached, e.latency, e.requests, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

// Address is the host:port of /metrics.
func (e *Exporter) Address() string { return e.address }

// Close stops listening.
func (e *Exporter) Close() {
	_ = e.server.Close()
	e.serving.Wait()
}

// Observe implements Observer.
func (e *Exporter) Observe(v Event) {
	switch v.Kind {
	case StageBegin:
		e.stage.WithLabelValues(v.Scenario, v.Stage).Set(1)
	case StageEnd:
		e.stage.DeleteLabelValues(v.Scenario, v.Stage)
	case Progress:
		if !v.Unmeasured {
			e.progress(v.Attack, v.Progress)
		}
	case Fault:
		active := e.faults.WithLabelValues(v.Fault.Kind, v.Fault.Target)
		switch v.FaultStep {
		case fault.StepInjected:
			active.Set(1)
		case fault.StepRecovered:
			active.Set(0)
		}
	}
}

// progress takes over an attack's state. Its counts begin at zero with each attack; the counters only grow.
func (e *Exporter) progress(a load.Attack, p load.Progress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.attack != a.ID {
		e.attack, e.seen = a.ID, load.Counts{}
		e.latency.Reset()
	}
	add := func(outcome string, now, before uint64) {
		if now > before {
			e.requests.WithLabelValues(outcome).Add(float64(now - before))
		}
	}
	add("success", p.Successes, e.seen.Successes)
	add("limited", p.Limited, e.seen.Limited)
	add("error", p.Failed, e.seen.Failed)
	e.seen = p.Counts
	e.offered.Set(0)
	if p.Ended() {
		e.reached.Set(0)
		e.latency.Reset()
		return
	}
	kind := "service"
	if a.Model == load.Open {
		kind = "corrected"
		e.offered.Set(a.Rate)
	}
	e.reached.Set(p.QPS)
	if p.P50 > 0 {
		e.latency.WithLabelValues(kind, "0.5").Set(p.P50.Seconds())
		e.latency.WithLabelValues(kind, "0.99").Set(p.P99.Seconds())
	}
}
