package runner

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/load"
	"gatelab/internal/webguard/guardtest"
)

func TestWatchShowsARun(t *testing.T) {
	w, err := NewWatch(t.Context(), WatchConfig{MetricsListen: "127.0.0.1:0", Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	over := w.stage("ladder", "cache")
	open := load.Attack{ID: "cache-open-1", Model: load.Open, Rate: 100}
	w.progress(open, load.Progress{State: load.Running, Counts: load.Counts{Requests: 12, Successes: 9, Limited: 1, Failed: 2}, QPS: 95, P50: 10 * time.Millisecond, P99: 80 * time.Millisecond})
	w.progress(open, load.Progress{State: load.Running, Counts: load.Counts{Requests: 22, Successes: 19, Limited: 1, Failed: 2}, QPS: 96, P50: 10 * time.Millisecond, P99: 90 * time.Millisecond})
	w.fault(fault.StepInjected, fault.Event{Kind: "kill", Target: "gateway-2", InjectedAt: time.Now()})
	want := `# HELP harness_achieved_rate Successes in the attack's last full second.
# TYPE harness_achieved_rate gauge
harness_achieved_rate 96
# HELP harness_fault_active 1 from a fault's injection until it has recovered.
# TYPE harness_fault_active gauge
harness_fault_active{kind="kill",target="gateway-2"} 1
# HELP harness_latency_seconds Latency of successes in the attack's last full second: corrected in an open loop, service in a closed one.
# TYPE harness_latency_seconds gauge
harness_latency_seconds{kind="corrected",quantile="0.5"} 0.01
harness_latency_seconds{kind="corrected",quantile="0.99"} 0.09
# HELP harness_offered_rate Requests a second that the open-loop attack sends whatever the answers do; 0 in a closed loop.
# TYPE harness_offered_rate gauge
harness_offered_rate 100
# HELP harness_requests_total Requests of all attacks' measured windows, by outcome: success, limited, error.
# TYPE harness_requests_total counter
harness_requests_total{outcome="error"} 2
harness_requests_total{outcome="limited"} 1
harness_requests_total{outcome="success"} 19
# HELP harness_stage_active 1 while the stage is set up and measured.
# TYPE harness_stage_active gauge
harness_stage_active{scenario="ladder",stage="cache"} 1
`
	err = testutil.ScrapeAndCompare("http://"+w.Address()+"/metrics", strings.NewReader(want), "harness_achieved_rate", "harness_fault_active",
		"harness_latency_seconds", "harness_offered_rate", "harness_requests_total", "harness_stage_active")
	if err != nil {
		t.Error(err)
	}
	// The next attack begins at zero, the counters go on.
	w.progress(load.Attack{ID: "pool-closed-1", Model: load.Closed}, load.Progress{State: load.Done, Counts: load.Counts{Requests: 3, Successes: 3}})
	if got := testutil.ToFloat64(w.exporter.requests.WithLabelValues("success")); got != 22 {
		t.Errorf("%v successes, want 22", got)
	}
	if got := testutil.ToFloat64(w.exporter.offered); got != 0 {
		t.Errorf("offered %v after the attack's end", got)
	}
	over()
	w.fault(fault.StepRecovered, fault.Event{Kind: "kill", Target: "gateway-2", InjectedAt: time.Now(), RecoveredAt: time.Now()})
	if got := testutil.CollectAndCount(w.exporter.stage); got != 0 {
		t.Errorf("%d stages are active after the end", got)
	}
	if got := testutil.ToFloat64(w.exporter.faults.WithLabelValues("kill", "gateway-2")); got != 0 {
		t.Errorf("the fault is active after its recovery: %v", got)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + w.Address() + "/metrics"); err == nil {
		t.Error("it listens after Close")
	}
}

func TestNoWatchTellsNobody(t *testing.T) {
	var w *Watch
	w.stage("a", "b")()
	w.progress(load.Attack{}, load.Progress{})
	w.fault(fault.StepInjected, fault.Event{})
	if err := w.Close(t.Context()); err != nil || w.Address() != "" {
		t.Error(err)
	}
}

func TestWatchRefusesABadAddress(t *testing.T) {
	if _, err := NewWatch(t.Context(), WatchConfig{MetricsListen: "nowhere"}); err == nil || !strings.Contains(err.Error(), `metrics-listen "nowhere"`) {
		t.Errorf("error %v", err)
	}
}

func TestMetricsRefuseWebPages(t *testing.T) {
	w, err := NewWatch(t.Context(), WatchConfig{MetricsListen: "127.0.0.1:0", MetricsHosts: []string{"host.docker.internal"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close(t.Context()) }()
	guardtest.Refuses(t, "GET", "http://"+w.Address()+"/metrics")
	if got := guardtest.Status(t, "GET", "http://"+w.Address()+"/metrics", "host.docker.internal:9464"); got != 200 {
		t.Errorf("under the name that Prometheus has for it: %d", got)
	}
}
