package engine

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

func TestOpenAgainstNullServer(t *testing.T) {
	r := do(t, load.Attack{Model: load.Open, Rate: 1000, Target: null(t), Warmup: 100 * time.Millisecond,
		Duration: 500 * time.Millisecond, SampleEvery: 1})
	sums(t, r)
	if r.Failed > 0 {
		t.Fatal(r.Errors, r.Mismatches)
	}
	// The offered rate is kept to the request, whatever the machine does.
	if r.Requests != 500 {
		t.Errorf("%d requests in half a second at 1000/s", r.Requests)
	}
	if r.Sent != 600 {
		t.Errorf("%d sent with the warm-up", r.Sent)
	}
	if r.Corrected.Count() != 500 || r.Lag.Count() != 500 {
		t.Errorf("%d corrected latencies, %d lags", r.Corrected.Count(), r.Lag.Count())
	}
	if r.PeakWorkers < 1 || r.PeakWorkers > r.WorkerCap || r.WorkerCap < 100 {
		t.Errorf("%d workers of %d", r.PeakWorkers, r.WorkerCap)
	}
	if r.Hashed != 500 {
		t.Errorf("%d bodies checked", r.Hashed)
	}
}

func TestCorrectedLatencySeesAStall(t *testing.T) {
	// At 500/s for a second, a stall of 400 ms holds up 200 of 500 requests, by
	// 400 ms down to 0. With 4 workers only 4 of them are ever in flight: what
	// the worker stamps as it sends hides nearly all of it (coordinated omission).
	const (
		rate    = 500.0
		workers = 4
		begin   = 300 * time.Millisecond
		length  = 400 * time.Millisecond
		total   = time.Second
	)
	var began time.Time
	target := server(t, func(http.ResponseWriter, *http.Request) {
		// All that arrive within the stall wait for its end, as in a pause for
		// garbage collection.
		if at := time.Since(began); at >= begin && at < begin+length {
			time.Sleep(begin + length - at)
		}
	})
	began = time.Now()
	r := do(t, load.Attack{Model: load.Open, Rate: rate, MaxWorkers: workers, Target: target, Duration: total, KeepRaw: true})
	sums(t, r)
	if r.Failed > 0 || r.Requests != 500 {
		t.Fatalf("%d requests, %v", r.Requests, r.Errors)
	}

	// What users would have met, worked out from the schedule alone.
	var want []time.Duration
	for n := range int(rate * total.Seconds()) {
		due := time.Duration(float64(n) / rate * float64(time.Second))
		if due >= begin && due < begin+length {
			want = append(want, begin+length-due)
		} else {
			want = append(want, 0)
		}
	}
	slices.Sort(want)
	var seen []time.Duration
	for _, one := range r.Raw {
		seen = append(seen, one.Sent+one.Service-time.Duration(float64(one.Seq)/rate*float64(time.Second)))
	}
	slices.Sort(seen)
	for _, q := range []float64{0.7, 0.8, 0.9, 0.99} {
		rank := int(math.Ceil(q*float64(len(want)))) - 1
		truth := want[rank]
		got := r.Corrected.Quantile(q)
		// A busy machine only ever makes it longer: by how much, the times at which
		// the answers came say.
		if got < truth-20*time.Millisecond || got > seen[rank]+time.Millisecond+seen[rank]/1000 {
			t.Errorf("corrected quantile %v is %v, the schedule says %v, the answers %v", q, got, truth, seen[rank])
		}
	}
	if p90 := r.Service.Quantile(0.9); p90 > r.Corrected.Quantile(0.9)/2 {
		t.Errorf("p90 as stamped is %v: the test's stall is not hidden from it, so it shows nothing", p90)
	}
	if lag := r.Lag.Quantile(0.9); lag < 200*time.Millisecond {
		t.Errorf("p90 of the lag is %v: the generator does not say that it was held up", lag)
	}
	if r.PeakWorkers != workers || r.WorkerCap != workers {
		t.Errorf("%d workers in use of %d: the cap was reached", r.PeakWorkers, r.WorkerCap)
	}
}

func TestEnoughWorkersSendThroughAStall(t *testing.T) {
	// From its 81st request on the server holds everything until 120 are there and
	// a bit longer: it is the requests that end the stall, so that it is not over
	// before a machine that is delayed has sent them. A generator that does not
	// send through a stall never gets an answer.
	var arrived atomic.Int64
	release := make(chan struct{})
	target := server(t, func(_ http.ResponseWriter, q *http.Request) {
		n := arrived.Add(1)
		if n <= 80 {
			return
		}
		if n == 200 {
			time.AfterFunc(200*time.Millisecond, func() { close(release) })
		}
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	r := do(t, load.Attack{Model: load.Open, Rate: 400, Target: target, Duration: 700 * time.Millisecond})
	sums(t, r)
	if r.Requests != 280 || r.Failed > 0 {
		t.Fatalf("%d requests, %v", r.Requests, r.Errors)
	}
	if r.MaxInFlight < 120 {
		t.Errorf("%d in flight at most; 120 requests were due in the stall", r.MaxInFlight)
	}
	// Both clocks tell the same, as nothing was held back.
	a, b := r.Corrected.Quantile(0.9), r.Service.Quantile(0.9)
	if a < 150*time.Millisecond || b < 150*time.Millisecond {
		t.Errorf("p90 corrected %v, as stamped %v", a, b)
	}
}

func TestProbesAreKept(t *testing.T) {
	var n atomic.Int64
	target := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Gateway-Node", "gateway-1")
		if i := n.Add(1); i > 10 && i <= 15 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	r := do(t, load.Attack{Model: load.Probes, Rate: 100, Target: target, Duration: 300 * time.Millisecond})
	sums(t, r)
	if len(r.Probes) != 30 {
		t.Fatalf("%d probes", len(r.Probes))
	}
	bad := 0
	for i, p := range r.Probes {
		if want := time.Duration(i) * 10 * time.Millisecond; p.Offset != want {
			t.Errorf("probe %d was due at %v, want %v", i, p.Offset, want)
		}
		if p.Node != "gateway-1" || p.Latency <= 0 {
			t.Errorf("probe %d: %+v", i, p)
		}
		if !p.OK {
			bad++
			if p.Status != 502 || p.Err != "status_502" {
				t.Errorf("probe %d: %+v", i, p)
			}
		}
	}
	if bad != 5 {
		t.Errorf("%d bad probes, want 5", bad)
	}
}

func TestOpenTriesAStaleConnectionAgain(t *testing.T) {
	// A server that ends idle connections: the second request meets the end of a
	// connection that was kept, which is no failure.
	srv := &http.Server{IdleTimeout: 200 * time.Millisecond, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	l, target := listen(t)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	defer func() { srv.Close(); <-done }()
	// The second one is due after 2.5 s: long after the server's end of the
	// connection, and after idleLong. The attack is over with its answer; the
	// window is longer for the new connection to be counted however late it is.
	r := do(t, load.Attack{Model: load.Open, Rate: 0.4, Target: target, Duration: 4900 * time.Millisecond})
	sums(t, r)
	if r.Successes != 2 || r.ConnectionsOpened != 2 {
		t.Errorf("%d successes on %d connections: %v", r.Successes, r.ConnectionsOpened, r.Errors)
	}
}

// few is a server that takes 20 ms for each request, and the most requests that
// were there at a time.
func few(t *testing.T) (string, *atomic.Int64) {
	var now, most atomic.Int64
	return server(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(20 * time.Millisecond)
		now.Add(-1)
	}), &most
}

func TestOpenWaitsForAConnection(t *testing.T) {
	// Three connections can do 150/s of 500/s: all are sent on time, as far as the
	// schedule goes, and wait for a connection, which their latency shows.
	target, most := few(t)
	r := do(t, load.Attack{Model: load.Open, Rate: 500, Connections: 3, Target: target, Duration: 200 * time.Millisecond})
	sums(t, r)
	if most.Load() > 3 || r.ConnectionsOpened > 3 {
		t.Errorf("%d at a time, %d connections", most.Load(), r.ConnectionsOpened)
	}
	if r.Requests != 100 || r.Unsent != 0 || r.Failed != 0 {
		t.Errorf("%d requests, %d unsent, %v", r.Requests, r.Unsent, r.Errors)
	}
	// The last of 100 waits for 33 turns of 20 ms, less the 200 ms after which it came.
	if got := r.Corrected.Max(); got < 400*time.Millisecond {
		t.Errorf("the longest took %v", got)
	}
}

func TestOpenGivesUpOnAConnectionInTime(t *testing.T) {
	target, _ := few(t)
	r := do(t, load.Attack{Model: load.Open, Rate: 500, Connections: 1, Target: target, Duration: 200 * time.Millisecond,
		Timeout: 100 * time.Millisecond})
	sums(t, r)
	if r.Failed < 50 || r.Errors[load.KindTimeout] != r.Failed {
		t.Errorf("%d of %d failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

// What waited for a connection still has the time for an answer: a backlog costs
// what is beyond the target's capacity, and not everything.
func TestOpenKeepsATargetsCapacityUnderABacklog(t *testing.T) {
	target, _ := few(t)
	r := do(t, load.Attack{Model: load.Open, Rate: 500, Connections: 2, Target: target, Duration: 2 * time.Second,
		Timeout: 300 * time.Millisecond})
	sums(t, r)
	// Two connections can do 100/s. Were the wait as long as the time-out, little
	// would be answered in time once the first 300 ms are over.
	if r.Successes < 90 {
		t.Errorf("%d of %d were answered: %v", r.Successes, r.Requests, r.Errors)
	}
	if r.ConnectionsOpened > 40 {
		t.Errorf("%d connections opened, want few to be given up", r.ConnectionsOpened)
	}
}

// A connection that is given up is reset: its port is free at once.
func TestOpenResetsWhatItGivesUp(t *testing.T) {
	l, target := listen(t)
	ended := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer c.Close()
		b := make([]byte, 4096)
		for err == nil {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, err = c.Read(b)
		}
		ended <- err
	}()
	r := do(t, load.Attack{Model: load.Open, Rate: 10, Target: target, Duration: 100 * time.Millisecond, Timeout: 100 * time.Millisecond})
	if r.Requests != 1 || r.Errors[load.KindTimeout] != 1 {
		t.Errorf("%d requests: %v", r.Requests, r.Errors)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server saw %v, want a reset", err)
	}
}

func TestOpenSaysWhatItDidNotSend(t *testing.T) {
	// Three workers can do 150/s of 500/s. What is left undone is said, and not
	// made up for later: else the rate would seem to be kept.
	target, most := few(t)
	under, err := start(load.Attack{Model: load.Open, Rate: 500, MaxWorkers: 3, Target: target, Warmup: 100 * time.Millisecond,
		Duration: 200 * time.Millisecond, Requests: []load.Request{{Name: "get", Path: "/"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := wait(t, under)
	sums(t, r)
	if r.Requests+r.Unsent != 100 || r.Unsent < 20 {
		t.Errorf("%d requests, %d unsent of 100", r.Requests, r.Unsent)
	}
	if most.Load() > 3 || r.PeakWorkers != 3 || r.WorkerCap != 3 {
		t.Errorf("%d at a time, %d workers of %d", most.Load(), r.PeakWorkers, r.WorkerCap)
	}
}

func TestPacerSchedule(t *testing.T) {
	p := newPacer(t.Context(), load.Attack{Rate: 3, Duration: time.Second}, time.Second)
	defer p.close()
	for n, want := range []time.Duration{0, 333333333, 666666667} {
		if got := p.due(uint64(n)); got != want {
			t.Errorf("request %d is due at %v, want %v", n, got, want)
		}
		// Late already: sent at once, even a bit after the end.
		if wait, stop := p.Pace(1050*time.Millisecond, uint64(n)); wait != 0 || stop {
			t.Errorf("request %d: wait %v, stop %v", n, wait, stop)
		}
	}
	if _, stop := p.Pace(1200*time.Millisecond, 1); !stop {
		t.Error("a request is sent long after the end")
	}
	if got := p.unsent(0, time.Second); got != 2 {
		t.Errorf("%d unsent, want requests 1 and 2", got)
	}
	if got := p.unsent(500*time.Millisecond, time.Second); got != 1 {
		t.Errorf("%d unsent in the window, want request 2", got)
	}
	if _, stop := p.Pace(0, 3); !stop {
		t.Error("request 3 is due at the end, and sent")
	}
	before := time.Now()
	if wait, stop := p.Pace(300*time.Millisecond, 1); wait != 0 || stop {
		t.Errorf("wait %v, stop %v", wait, stop)
	}
	if waited := time.Since(before); waited < 30*time.Millisecond {
		t.Errorf("it waited %v of 33 ms", waited)
	}
}
