package engine

import (
	"math"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

func TestClosedAgainstNullServer(t *testing.T) {
	r := do(t, load.Attack{Model: load.Closed, Target: null(t), Connections: 8, Warmup: 300 * time.Millisecond, Duration: time.Second,
		SampleEvery: 2,
		Consumers: []load.ConsumerGroup{{Name: "steady", Keys: []string{"a", "b"}, Weight: 3},
			{Name: "flood", Keys: []string{"c"}, Weight: 1}}})
	sums(t, r)
	if r.Failed > 0 || r.Successes < 100 {
		t.Fatalf("%d successes, failures %v %v", r.Successes, r.Errors, r.Mismatches)
	}
	if r.Status[200] != r.Successes {
		t.Errorf("status %v", r.Status)
	}
	if h := r.Hashed; h < r.Requests*4/10 || h > r.Requests*6/10 {
		t.Errorf("%d bodies of %d were checked, want every second", h, r.Requests)
	}
	if want := r.Requests * uint64(len(nullBody)); r.BytesIn != want {
		t.Errorf("%d bytes in, want %d", r.BytesIn, want)
	}
	if r.Corrected.Count() != 0 || r.Lag.Count() != 0 {
		t.Error("a closed loop has no due time")
	}
	if r.ConnectionsOpened != 0 {
		t.Errorf("%d connections opened in the window", r.ConnectionsOpened)
	}
	// What is in flight as the window begins is not counted, and what is as it ends
	// is counted whole: each may be as long as the machine is delayed just then.
	if most := 8 * (1 + r.Service.Max().Seconds()/r.Window().Seconds()); r.MaxInFlight != 8 || r.InFlight < 5 || r.InFlight > 1.01*most {
		t.Errorf("in flight: at most %d, by Little's law %.2f, with 8 connections", r.MaxInFlight, r.InFlight)
	}
	if r.WorkerCPUSeconds <= 0 || r.WorkerCores <= 0 || r.FDLimit == 0 {
		t.Errorf("CPU %v of %v cores, %d files", r.WorkerCPUSeconds, r.WorkerCores, r.FDLimit)
	}
	steady, flood := r.ByConsumer["steady"].Requests, r.ByConsumer["flood"].Requests
	// Six standard deviations, as a slow machine sends few.
	n := float64(r.Requests)
	if steady+flood != r.Requests || math.Abs(float64(flood)-n/4) > 6*math.Sqrt(n*3/16) {
		t.Errorf("steady %d, flood %d of %d, want 3 to 1", steady, flood, r.Requests)
	}
	if r.Window() != time.Second {
		t.Errorf("the window is %v", r.Window())
	}
}

func TestWarmupIsNotCounted(t *testing.T) {
	var served atomic.Uint64
	target := server(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.Header().Set("X-Origin-Body", hashOf(nil))
	})
	for _, a := range []load.Attack{
		{Model: load.Closed, Connections: 2},
		{Model: load.Open, Rate: 500},
	} {
		served.Store(0)
		a.Target = target
		a.Warmup = 300 * time.Millisecond
		a.Duration = 300 * time.Millisecond
		a.SampleEvery = 1
		r := do(t, a)
		sums(t, r)
		if r.Failed > 0 {
			t.Fatal(r.Errors, r.Mismatches)
		}
		all := served.Load()
		if r.Sent != all || r.Requests >= all || r.Requests == 0 {
			t.Errorf("%s: %d counted and %d sent of %d served", a.Model, r.Requests, r.Sent, all)
		}
		// How many a closed attack sends in which half is the machine's affair.
		if a.Model == load.Open && (r.Requests != 150 || all != 300) {
			t.Errorf("%d counted of %d served, want the second 150 of 300", r.Requests, all)
		}
	}
}

func TestLongRequestsAreCounted(t *testing.T) {
	// Each takes longer than the window: sent within it, they count, and their
	// latency is whole.
	target := server(t, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) })
	r := do(t, load.Attack{Model: load.Closed, Connections: 3, Target: target, Duration: 600 * time.Millisecond})
	sums(t, r)
	if r.Successes != 3 || r.Service.Quantile(0.5) < 990*time.Millisecond {
		t.Errorf("%d successes, the median %v", r.Successes, r.Service.Quantile(0.5))
	}
}

func TestClosedReconnectsGently(t *testing.T) {
	var served atomic.Uint64
	target := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1)%5 == 0 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		if served.Load()%7 == 0 {
			w.Header().Set("Connection", "close")
		}
	})
	r := some(t, load.Attack{Connections: 2, Target: target}, 100)
	sums(t, r)
	if r.Successes == 0 || r.Failed == 0 || r.Errors[load.KindEOF]+r.Errors[load.KindReset] != r.Failed {
		t.Errorf("%d successes, failures %v", r.Successes, r.Errors)
	}
	if r.ConnectionsOpened < r.Failed/2 {
		t.Errorf("%d connections opened after %d failures", r.ConnectionsOpened, r.Failed)
	}
	dead := do(t, load.Attack{Model: load.Closed, Connections: 4, Target: closedPort(t), Duration: 500 * time.Millisecond})
	sums(t, dead)
	if dead.Errors[load.KindRefused] != dead.Failed || dead.Failed < 4 || dead.Failed > 80 {
		t.Errorf("a dead target was asked %d times in half a second: %v", dead.Failed, dead.Errors)
	}
}

func TestStoppedAttackCountsWhatWasAnswered(t *testing.T) {
	release := make(chan struct{})
	target := server(t, func(_ http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			select {
			case <-release:
			case <-q.Context().Done():
			}
		}
	})
	defer close(release)
	for _, a := range []load.Attack{
		{Model: load.Closed, Connections: 4},
		{Model: load.Open, Rate: 200},
	} {
		a.Target = target
		a.Duration = time.Minute
		a.Timeout = time.Minute
		a.Requests = []load.Request{{Name: "fast", Path: "/fast", Weight: 1}, {Name: "slow", Path: "/slow", Weight: 0.2}}
		r, err := start(a)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		r.stop()
		<-r.over
		sums(t, r.result)
		if r.result.Failed != 0 || r.result.ByRequest["slow"].Requests != 0 || !r.result.Stopped {
			t.Errorf("%s: %v, stopped %v", a.Model, r.result.Errors, r.result.Stopped)
		}
		if w := r.result.Window(); w < 200*time.Millisecond || w > 30*time.Second {
			t.Errorf("%s: the window is %v", a.Model, w)
		}
		if r.state() != load.Aborted {
			t.Errorf("%s: it is %s", a.Model, r.state())
		}
	}
}
