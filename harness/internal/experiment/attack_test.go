package experiment

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/load/engine"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// target is the address of a server that answers everything.
func target(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// A probe whose result cannot be fetched once the load is over fails the
// experiment, with the reason: there is nothing to make figures of.
func TestAProbeThatIsLostAfterTheLoadFailsTheExperiment(t *testing.T) {
	worker := engine.NewWorker(nil)
	inner := worker.Handler()
	loadOver := make(chan struct{})
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result := strings.HasSuffix(r.URL.Path, "/result")
		if result && strings.Contains(r.URL.Path, "-lb-GET") {
			<-loadOver
			http.Error(w, `{"message": "gone"}`, http.StatusInternalServerError)
			return
		}
		inner.ServeHTTP(w, r)
		if result {
			once.Do(func() { close(loadOver) })
		}
	}))
	t.Cleanup(func() { worker.Close(); s.Close() })
	addr := target(t)
	stage := &scenario.Stage{Name: "multi", Rounds: 1, Topology: scenario.Topology{Replicas: 1, Balancers: 1}}
	stage.Workload.Requests = []scenario.Request{{Name: "get", Path: "/"}}
	stage.Load.Open = scenario.Open{Duration: time.Second, Timeout: time.Second, Connections: 2}
	stage.Load.Probe.Rate, stage.Load.Probe.Timeout = 10, time.Second
	x := newExperiment(&session.Session{
		Result: &result.Result{}, Workers: load.NewWorkers(load.Worker{Name: "worker", Client: load.NewClient(s.URL)}),
		Lab: lab.New(nil, lab.Options{Layout: lab.Layout{Addr: func(string, int) string { return addr }}}),
	}, stage)
	x.entries = x.entryPoints()
	if len(x.entries) != 1 {
		t.Fatalf("%d entries, want the balancer's", len(x.entries))
	}
	got, err := x.attack(t.Context(), 20)
	if err == nil || !strings.Contains(err.Error(), "probe lb: ") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("attack %v, error %v, want that the probe was lost", got, err)
	}
}
