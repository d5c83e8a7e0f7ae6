package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/grafana"
	"gatelab/harness/internal/load"
	"gatelab/internal/webguard"
)

// WatchConfig says where others may follow a run.
type WatchConfig struct {
	MetricsListen string         // host:port of /metrics; empty: none
	MetricsHosts  []string       // further names by which it is scraped
	Grafana       grafana.Config // for annotations; an empty URL: none
	Version       string
}

// Watch tells others of a run under way: Prometheus by its metrics, Grafana by
// annotations. A nil Watch tells nobody.
type Watch struct {
	exporter  *exporter
	annotator *grafana.Annotator
	address   string
	server    *http.Server
	serving   sync.WaitGroup
}

// NewWatch listens and asks Grafana whether it is there; Close ends both.
func NewWatch(ctx context.Context, c WatchConfig) (*Watch, error) {
	w := &Watch{exporter: newExporter(c.Version)}
	if c.Grafana.URL != "" {
		a, err := grafana.NewAnnotator(ctx, c.Grafana)
		if err != nil {
			return nil, err
		}
		w.annotator = a
	}
	if c.MetricsListen == "" {
		return w, nil
	}
	guard, err := webguard.New(webguard.Config{Listen: c.MetricsListen, Hosts: c.MetricsHosts})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metrics-hosts: %w", err), w.annotator.Close(ctx))
	}
	l, err := net.Listen("tcp", c.MetricsListen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metrics-listen %q: %w", c.MetricsListen, err), w.annotator.Close(ctx))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.exporter.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 3}))
	w.address = l.Addr().String()
	w.server = webguard.NewServer(guard.Wrap(mux), webguard.Limits{})
	w.serving.Go(func() { _ = w.server.Serve(l) }) // ends with Close; an error would only say so
	return w, nil
}

// Address is where /metrics is served; empty when it is not.
func (w *Watch) Address() string {
	if w == nil {
		return ""
	}
	return w.address
}

// closeIn is how long annotations may take when the run is over.
const closeIn = 10 * time.Second

// Close writes what annotations wait, and stops listening. The error tells
// what Grafana did not take.
func (w *Watch) Close(ctx context.Context) error {
	if w == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeIn)
	defer cancel()
	err := w.annotator.Close(ctx)
	if w.server != nil {
		_ = w.server.Close()
		w.serving.Wait()
	}
	return err
}

// stage tells that a stage begins; the function that it returns, that it is
// over.
func (w *Watch) stage(scenario, stage string) func() {
	if w == nil {
		return func() {}
	}
	began := time.Now()
	w.exporter.stage.WithLabelValues(scenario, stage).Set(1)
	return func() {
		w.exporter.stage.DeleteLabelValues(scenario, stage)
		w.annotator.Span(began, time.Now(), scenario+": stage "+stage, "stage")
	}
}

// progress tells how an attack is getting on.
func (w *Watch) progress(a load.Attack, p load.Progress) {
	if w != nil {
		w.exporter.progress(a, p)
	}
}

// fault tells of a fault's step.
func (w *Watch) fault(step string, e fault.Event) {
	if w == nil {
		return
	}
	active := w.exporter.faults.WithLabelValues(e.Kind, e.Target)
	switch step {
	case fault.StepInjected:
		active.Set(1)
		w.annotator.Mark(e.InjectedAt, "fault "+e.Kind+" "+e.Target+": injected", "fault")
	case fault.StepRecovered:
		active.Set(0)
		w.annotator.Span(e.InjectedAt, e.RecoveredAt, "fault "+e.Kind+" "+e.Target, "fault")
	}
}
