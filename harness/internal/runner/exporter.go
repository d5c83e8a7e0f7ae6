package runner

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gatelab/harness/internal/load"
)

// exporter is the run in Prometheus' terms.
type exporter struct {
	registry          *prometheus.Registry
	stage, faults     *prometheus.GaugeVec
	offered, achieved prometheus.Gauge
	latency           *prometheus.GaugeVec
	requests          *prometheus.CounterVec

	mu     sync.Mutex
	attack string      // whose counts seen are
	seen   load.Counts // of the attack, as last told
}

func newExporter(version string) *exporter {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	e := &exporter{
		registry: prometheus.NewRegistry(),
		stage:    gauge("harness_stage_active", "1 while the stage is set up and measured.", "scenario", "stage"),
		faults:   gauge("harness_fault_active", "1 from a fault's injection until it has recovered.", "kind", "target"),
		offered:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "harness_offered_rate", Help: "Requests a second that the open-loop attack sends whatever the answers do; 0 in a closed loop."}),
		achieved: prometheus.NewGauge(prometheus.GaugeOpts{Name: "harness_achieved_rate", Help: "Successes in the attack's last full second."}),
		latency:  gauge("harness_latency_seconds", "Latency of successes in the attack's last full second: corrected in an open loop, service in a closed one.", "kind", "quantile"),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "harness_requests_total", Help: "Requests of all attacks' measured windows, by outcome: success, limited, error."}, []string{"outcome"}),
	}
	for _, outcome := range []string{"success", "limited", "error"} {
		e.requests.WithLabelValues(outcome)
	}
	build := gauge("harness_build_info", "1, labelled with the harness's version.", "version")
	build.WithLabelValues(version).Set(1)
	e.registry.MustRegister(e.stage, e.faults, e.offered, e.achieved, e.latency, e.requests, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

// progress takes over what an attack tells. Its counts begin at zero with each
// attack; the counters go on.
func (e *exporter) progress(a load.Attack, p load.Progress) {
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
	if p.Ended() {
		e.offered.Set(0)
		e.achieved.Set(0)
		e.latency.Reset()
		return
	}
	kind := "service"
	e.offered.Set(0)
	if a.Model == load.Open {
		kind = "corrected"
		e.offered.Set(a.Rate)
	}
	e.achieved.Set(p.QPS)
	if p.P50 > 0 {
		e.latency.WithLabelValues(kind, "0.5").Set(p.P50.Seconds())
		e.latency.WithLabelValues(kind, "0.99").Set(p.P99.Seconds())
	}
}
