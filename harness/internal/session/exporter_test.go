package session

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// exported is what an exporter serves in the middle of TestExporterShowsARun.
const exported = `# HELP harness_achieved_rate Successes in the attack's last full second.
# TYPE harness_achieved_rate gauge
harness_achieved_rate 96
# HELP harness_fault_active 1 from a fault's injection until it has recovered.
# TYPE harness_fault_active gauge
harness_fault_active{kind="kill",target="gateway-2"} 1
# HELP harness_latency_seconds Latency of successes in the attack's last full second: corrected in an open loop, service in a closed one.
# TYPE harness_latency_seconds gauge
harness_latency_seconds{kind="corrected",quantile="0.5"} 0.01
harness_latency_seconds{kind="corrected",quantile="0.99"} 0.09
# HELP harness_offered_rate Requests per second that the open-loop attack sends; 0 in a closed loop.
# TYPE harness_offered_rate gauge
harness_offered_rate 100
# HELP harness_requests_total Requests in the measured windows of all attacks, by outcome: success, limited, error.
# TYPE harness_requests_total counter
harness_requests_total{outcome="error"} 2
harness_requests_total{outcome="limited"} 1
harness_requests_total{outcome="success"} 19
# HELP harness_stage_active 1 while the stage is set up and measured.
# TYPE harness_stage_active gauge
harness_stage_active{scenario="ladder",stage="cache"} 1
`

func newTestExporter(t *testing.T, c ExporterConfig) *Exporter {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	e, err := NewExporter(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestExporterShowsARun(t *testing.T) {
	w := newTestExporter(t, ExporterConfig{Version: "v1"})
	s := &Session{Config: Config{Observer: w}, Plan: Plan{Name: "ladder"}}
	progress := func(a load.Attack, p load.Progress) { s.observe(Event{Kind: Progress, Attack: a, Progress: p}) }
	over := s.Stage("cache")
	open := load.Attack{ID: "cache-open-1", Model: load.Open, Rate: 100}
	progress(open, load.Progress{
		State: load.Running, Counts: load.Counts{Requests: 12, Successes: 9, Limited: 1, Failed: 2},
		QPS: 95, P50: 10 * time.Millisecond, P99: 80 * time.Millisecond,
	})
	progress(open, load.Progress{
		State: load.Running, Counts: load.Counts{Requests: 22, Successes: 19, Limited: 1, Failed: 2},
		QPS: 96, P50: 10 * time.Millisecond, P99: 90 * time.Millisecond,
	})
	s.Fault(fault.StepInjected, fault.Event{Kind: "kill", Target: "gateway-2", InjectedAt: time.Now()})
	err := testutil.ScrapeAndCompare("http://"+w.Address()+"/metrics", strings.NewReader(exported), "harness_achieved_rate",
		"harness_fault_active",
		"harness_latency_seconds", "harness_offered_rate", "harness_requests_total", "harness_stage_active")
	if err != nil {
		t.Error(err)
	}
	// The next attack begins at zero, the counters only grow.
	progress(load.Attack{ID: "pool-closed-1", Model: load.Closed}, load.Progress{State: load.Done,
		Counts: load.Counts{Requests: 3, Successes: 3}})
	if got := testutil.ToFloat64(w.requests.WithLabelValues("success")); got != 22 {
		t.Errorf("%v successes, want 22", got)
	}
	if got := testutil.ToFloat64(w.offered); got != 0 {
		t.Errorf("offered %v after the attack's end", got)
	}
	over()
	s.Fault(fault.StepRecovered, fault.Event{Kind: "kill", Target: "gateway-2", InjectedAt: time.Now(), RecoveredAt: time.Now()})
	if got := testutil.CollectAndCount(w.stage); got != 0 {
		t.Errorf("%d stages are active after the end", got)
	}
	if got := testutil.ToFloat64(w.faults.WithLabelValues("kill", "gateway-2")); got != 0 {
		t.Errorf("the fault is active after its recovery: %v", got)
	}
	w.Close()
	if _, err := http.Get("http://" + w.Address() + "/metrics"); err == nil {
		t.Error("it listens after Close")
	}
}

// The ceiling alone would be many times the requests that are measured.
func TestExporterLeavesOutWhatIsNotMeasured(t *testing.T) {
	e := newExporter("v1")
	p := load.Progress{State: load.Running, Counts: load.Counts{Requests: 80_000, Successes: 80_000}, QPS: 80_000, P50: time.Millisecond}
	e.Observe(Event{Kind: Progress, Attack: load.Attack{ID: "ceiling", Model: load.Closed}, Progress: p, Unmeasured: true})
	if n, rate := testutil.ToFloat64(e.requests.WithLabelValues("success")), testutil.ToFloat64(e.reached); n != 0 || rate != 0 {
		t.Errorf("%v requests at %v per second are exported", n, rate)
	}
}

// A session that has no observer tells nothing, and works.
func TestNoObserverIsTold(t *testing.T) {
	s := &Session{}
	s.Stage("b")()
	s.observe(Event{Kind: Progress})
	s.Fault(fault.StepInjected, fault.Event{})
	s.Step("a step")
	s.Verdict("a verdict")
	Steps(nil)("a step of %s", "nothing")
}

func TestExporterRefusesABadAddress(t *testing.T) {
	if _, err := NewExporter(ExporterConfig{Listen: "nowhere"}); err == nil || !strings.Contains(err.Error(), `metrics-listen "nowhere"`) {
		t.Errorf("error %v", err)
	}
}

func TestMetricsRefuseWebPages(t *testing.T) {
	w := newTestExporter(t, ExporterConfig{Hosts: []string{"host.docker.internal"}})
	guardtest.Refuses(t, "GET", "http://"+w.Address()+"/metrics")
	if got := guardtest.Status(t, "GET", "http://"+w.Address()+"/metrics", "host.docker.internal:9464"); got != 200 {
		t.Errorf("under the name that Prometheus has for it: %d", got)
	}
}
