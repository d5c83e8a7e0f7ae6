package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/load/engine"
	"github.com/gatelab/gatelab/harness/internal/measure"
)

// lateClock is a worker's API by another clock, which is ahead of ours, and whose time goes both ways through it.
type lateClock struct {
	inner http.Handler
	ahead atomic.Int64
}

func (l *lateClock) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	ahead := time.Duration(l.ahead.Load())
	if q.URL.Path == "/clock" {
		fmt.Fprintf(w, `{"unix_nano": %d}`, time.Now().Add(ahead).UnixNano())
		return
	}
	if q.Method == http.MethodPost {
		var a load.Attack
		if err := json.NewDecoder(q.Body).Decode(&a); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if a.Begin != nil {
			ours := a.Begin.Add(-ahead)
			a.Begin = &ours
		}
		b, _ := json.Marshal(a)
		q.Body = io.NopCloser(bytes.NewReader(b))
	}
	if !strings.HasSuffix(q.URL.Path, "/result") {
		l.inner.ServeHTTP(w, q)
		return
	}
	rec := httptest.NewRecorder()
	l.inner.ServeHTTP(rec, q)
	var r load.Result
	if rec.Code == http.StatusOK && json.Unmarshal(rec.Body.Bytes(), &r) == nil {
		r.Began, r.Ended = r.Began.Add(ahead), r.Ended.Add(ahead)
		_ = json.NewEncoder(w).Encode(&r)
		return
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// crew is a number of workers in this process, each with an API of its own.
type crew struct {
	*load.Workers
	workers []*engine.Worker
	clocks  []*lateClock
	apis    []*httptest.Server
	clients []*load.Client
}

func newCrew(t *testing.T, n int) *crew {
	t.Helper()
	c := &crew{}
	var all []load.Worker
	for i := range n {
		w := engine.NewWorker(nil)
		clock := &lateClock{inner: w.Handler()}
		api := httptest.NewServer(clock)
		client := load.NewClient(api.URL)
		t.Cleanup(func() { w.Close(); client.Close(); api.Close() })
		c.workers, c.clocks = append(c.workers, w), append(c.clocks, clock)
		c.apis, c.clients = append(c.apis, api), append(c.clients, client)
		all = append(all, load.Worker{Name: fmt.Sprintf("worker-%d", i+1), Client: client})
	}
	c.Workers = load.NewWorkers(all...)
	return c
}

// uneven is a server whose answers take from nothing to 40 ms, and which knows what it was asked for.
func uneven(t *testing.T) (target string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		mu.Lock()
		paths = append(paths, q.URL.Path)
		n := len(paths)
		mu.Unlock()
		time.Sleep(time.Duration(n*7%5) * 10 * time.Millisecond)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := slices.Clone(paths)
		slices.Sort(out)
		paths = nil
		return out
	}
}

// The percentiles of several workers are those of all requests, made again from the raw results by the definition alone: the time of the
// answer less the time at which request number n of all should have left, n/rate after the beginning.
func TestMergedPercentilesAreThoseOfTheUnion(t *testing.T) {
	const (
		rate   = 300.0
		warmup = 500 * time.Millisecond
		length = 2 * time.Second
	)
	for _, n := range []int{2, 4} {
		target, _ := uneven(t)
		r, err := newCrew(t, n).Run(t.Context(), load.Attack{
			ID: "union", Model: load.Open, Target: target, Rate: rate, Warmup: warmup, Duration: length, KeepRaw: true,
			Requests: []load.Request{{Name: "get", Path: "/"}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed > 0 || r.Requests+r.Unsent != rate*2 || uint64(len(r.Raw)) != r.Requests {
			t.Fatalf("%d workers: %d requests and %d unsent, %d raw; errors %v: want %v requests", n, r.Requests, r.Unsent, len(r.Raw), r.Errors,
				rate*2)
		}
		var union measure.Histogram
		seen := map[uint64]bool{}
		for _, one := range r.Raw {
			due := time.Duration(math.Round(float64(one.Seq)/rate*1e9)) - warmup
			union.Record(one.Sent + one.Service - due)
			seen[one.Seq] = true
		}
		if len(seen) != len(r.Raw) {
			t.Errorf("%d workers: %d numbers of %d requests: some were sent twice", n, len(seen), len(r.Raw))
		}
		if !slices.Equal(r.Corrected.Distribution(), union.Distribution()) {
			t.Errorf("%d workers: the merged histogram is not that of all requests", n)
		}
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			if a, b := r.Corrected.Quantile(q), union.Quantile(q); a != b {
				t.Errorf("%d workers, quantile %v: merged %v, of all requests %v", n, q, a, b)
			}
		}
		var series uint64
		for _, s := range r.Series {
			series += s.Requests
			if s.Requests > 0 && (s.P99 == 0 || s.Latency != nil) {
				t.Errorf("%d workers: second %+v, want percentiles", n, s)
			}
		}
		if series != r.Requests || len(r.Series) != 2 || len(r.Workers) != n {
			t.Errorf("%d workers: %d requests in %d seconds, %d workers", n, series, len(r.Series), len(r.Workers))
		}
		for _, w := range r.Workers {
			if w.Lost != "" || w.Requests+w.Unsent != uint64(rate*2)/uint64(n) {
				t.Errorf("%d workers: %+v, want an equal share", n, w)
			}
		}
	}
}

// Several workers send what one sends: the same requests, as many.
func TestSeveralWorkersSendTheRequestsOfOne(t *testing.T) {
	target, asked := uneven(t)
	a := load.Attack{
		ID: "same", Model: load.Open, Target: target, Rate: 200, Duration: time.Second, Seed: 7,
		Requests: []load.Request{{Name: "a", Path: "/a/{id}", IDs: 1000, Zipf: 1, Weight: 2}, {Name: "b", Path: "/b/{id}", IDs: 50, Weight: 1}},
	}
	var sent [][]string
	for _, n := range []int{1, 3} {
		for try := 0; ; try++ { // a machine that stalls near the end leaves some unsent
			r, err := newCrew(t, n).Run(t.Context(), a, nil)
			if err != nil {
				t.Fatal(err)
			}
			paths := asked()
			if r.Unsent == 0 || try == 5 {
				sent = append(sent, paths)
				break
			}
		}
	}
	if len(sent[0]) != 200 || !slices.Equal(sent[0], sent[1]) {
		t.Errorf("one worker sent %d requests, three %d, and not the same: %v and %v", len(sent[0]), len(sent[1]), sent[0], sent[1])
	}
}

func TestConnectionsAreDivided(t *testing.T) {
	var now, most, all atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		all.Add(1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(10 * time.Millisecond)
		now.Add(-1)
	}))
	defer s.Close()
	for _, row := range []struct{ connections, workers int }{{3, 2}, {1, 1}} {
		most.Store(0)
		r, err := newCrew(t, 2).Run(t.Context(), load.Attack{
			ID: "closed", Model: load.Closed, Target: s.URL, Connections: row.connections, Duration: time.Second,
			Requests: []load.Request{{Name: "get", Path: "/"}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if int(most.Load()) != row.connections || r.Attack.Connections != row.connections || max(len(r.Workers), 1) != row.workers {
			t.Errorf("%d connections: %d requests at a time, %d workers: %+v", row.connections, most.Load(), len(r.Workers), r.Workers)
		}
	}
}

// A clock that is hours ahead is measured and corrected: the workers begin at one time all the same.
func TestClocksAreCorrected(t *testing.T) {
	const ahead = 3 * time.Hour
	target, _ := uneven(t)
	c := newCrew(t, 2)
	c.clocks[1].ahead.Store(int64(ahead))
	before := time.Now()
	r, err := c.Run(t.Context(), load.Attack{ID: "clocks", Model: load.Open, Target: target, Rate: 100, Duration: time.Second,
		Requests: []load.Request{{Name: "get", Path: "/"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := r.Workers[1]
	if off := (w.Ahead - ahead).Abs(); off > w.Uncertain || w.Uncertain <= 0 || w.Drift.Abs() > time.Second {
		t.Errorf("the clock is known to be %v ahead, plus or minus %v, with a drift of %v: want %v", w.Ahead, w.Uncertain, w.Drift, ahead)
	}
	if r.Began.Before(before) || r.Ended.After(time.Now()) {
		t.Errorf("from %v to %v: want our time", r.Began, r.Ended)
	}
}

func TestAClockThatIsSetIsDrift(t *testing.T) {
	target, _ := uneven(t)
	c := newCrew(t, 2)
	var results atomic.Int64
	inner := c.clocks[1].inner
	c.clocks[1].inner = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		inner.ServeHTTP(w, q)
		if strings.HasSuffix(q.URL.Path, "/result") { // it is over
			results.Add(1)
			c.clocks[1].ahead.Store(int64(time.Minute))
		}
	})
	r, err := c.Run(t.Context(), load.Attack{ID: "drift", Model: load.Open, Target: target, Rate: 100, Duration: time.Second,
		Requests: []load.Request{{Name: "get", Path: "/"}}}, nil)
	if err != nil || results.Load() != 1 {
		t.Fatalf("%v, %d results", err, results.Load())
	}
	if d := r.Workers[1].Drift; d < 59*time.Second || d > 61*time.Second || r.Workers[0].Drift.Abs() > time.Second {
		t.Errorf("drifts %v and %v, want none and a minute", r.Workers[0].Drift, d)
	}
}

// A worker that goes while the attack runs is named, with the reason; what the others did is the result.
func TestAWorkerThatIsLost(t *testing.T) {
	target, _ := uneven(t)
	c := newCrew(t, 2)
	var gone sync.Once
	var last load.Progress
	r, err := c.Run(t.Context(), load.Attack{ID: "lost", Model: load.Open, Target: target, Rate: 200, Duration: 4 * time.Second,
		Requests: []load.Request{{Name: "get", Path: "/"}}}, func(p load.Progress) {
		last = p
		if p.Requests > 50 {
			gone.Do(func() {
				go func() { c.workers[1].Close(); c.apis[1].CloseClientConnections(); c.apis[1].Close() }()
			})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Workers[0].Lost != "" || !strings.HasPrefix(r.Workers[1].Lost, "lost after ") {
		t.Errorf("workers %+v, want that the second one was lost", r.Workers)
	}
	if r.Requests != r.Workers[0].Requests || r.Requests+r.Unsent != 400 || r.Attack.Rate != 200 {
		t.Errorf("%d requests, %d unsent of %v/s: want the 400 of the other worker", r.Requests, r.Unsent, r.Attack.Rate)
	}
	if !last.Ended() {
		t.Errorf("the last progress is %s", last.State)
	}
}

func TestAnAttackThatOneWorkerDoesNotTakeIsGivenUp(t *testing.T) {
	target, _ := uneven(t)
	c := newCrew(t, 3)
	busy := load.Attack{ID: "busy", Model: load.Closed, Target: "http://127.0.0.1:1", Connections: 1, Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}}
	if _, err := c.clients[1].Start(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	a := load.Attack{ID: "refused", Model: load.Open, Target: target, Rate: 100, Duration: time.Minute,
		Requests: []load.Request{{Name: "get", Path: "/"}}}
	_, err := c.Run(t.Context(), a, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "worker-2: ") || !strings.Contains(err.Error(), "busy") {
		t.Errorf("error %v, want that of worker-2", err)
	}
	for _, i := range []int{0, 2} {
		if p, err := c.clients[i].Progress(t.Context(), a.ID); err != nil || !p.Ended() {
			t.Errorf("worker %d goes on: %+v, %v", i, p, err)
		}
	}
	c.apis[2].Close()
	if _, err := c.Run(t.Context(), a, nil); err == nil || !strings.HasPrefix(err.Error(), "worker-3: ") {
		t.Errorf("error %v, want that of worker-3, which is not there", err)
	}
	if _, err := load.NewWorkers().Run(t.Context(), a, nil); err == nil {
		t.Error("an attack without a worker")
	}
}

// Probes are sent by one worker, beside an attack of all.
func TestProbesAreSentByOneWorker(t *testing.T) {
	target, _ := uneven(t)
	r, err := newCrew(t, 2).Run(t.Context(), load.Attack{ID: "probes", Model: load.Probes, Target: target, Rate: 50,
		Duration: time.Second, Requests: []load.Request{{Name: "get", Path: "/"}}}, nil)
	if err != nil || len(r.Workers) != 0 || uint64(len(r.Probes)) != r.Requests || r.Requests == 0 {
		t.Errorf("%+v, error %v", r, err)
	}
}
