package runner

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// A probe whose result cannot be fetched once the load is over fails the
// experiment, with the reason: there is nothing to make figures of.
func TestAProbeThatIsLostAfterTheLoadFailsTheExperiment(t *testing.T) {
	worker := load.NewWorker(nil)
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
	target := strings.TrimPrefix(serve(t, fine), "http://")
	stage := &scenario.Stage{Name: "multi", Rounds: 1, Topology: scenario.Topology{Replicas: 1, Balancers: 1}}
	stage.Workload.Requests = []scenario.Request{{Name: "get", Path: "/"}}
	stage.Load.Open = scenario.Open{Duration: time.Second, Timeout: time.Second, Connections: 2}
	stage.Load.Probe.Rate, stage.Load.Probe.Timeout = 10, time.Second
	r := &run{
		Options: Options{Console: NewConsole(io.Discard)}, result: &report.Result{}, worker: load.NewClient(s.URL),
		lab: lab.New(nil, lab.Options{Layout: lab.Layout{Addr: func(string, int) string { return target }}}),
	}
	x := &experiment{run: r, stage: stage, roles: map[string]*sync.Mutex{}}
	x.ways()
	if len(x.entries) != 1 {
		t.Fatalf("%d entries, want the balancer's", len(x.entries))
	}
	got, err := x.attack(t.Context(), 20)
	if err == nil || !strings.Contains(err.Error(), "probe lb: ") || !strings.Contains(err.Error(), "gone") {
		t.Errorf("attack %v, error %v, want that the probe was lost", got, err)
	}
}
