package engine

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

func TestSeriesSeconds(t *testing.T) {
	p := planOf(t, load.Attack{Requests: []load.Request{{Name: "a", Path: "/"}}})
	p.attack.Model = load.Open
	p.attack.Warmup = 2500 * time.Millisecond
	p.attack.Duration = 2 * time.Second
	r := newRecorder(p)
	random := newStream(1, 1)
	for _, due := range []time.Duration{-2400 * time.Millisecond, -time.Second, -1, 0, 999 * time.Millisecond, time.Second,
		1999 * time.Millisecond} {
		// Answered 3 s after: it belongs to the second in which it was due.
		r.record(0, &event{draw: p.draw(&random), due: due, sent: due + time.Second, end: due + 3*time.Second, status: 200})
	}
	var got []int
	var n []uint64
	for _, s := range r.seconds(-100) {
		got, n = append(got, s.Offset), append(n, s.Requests)
		if s.Requests > 0 && (s.P50 < 2900*time.Millisecond || s.P50 > 3100*time.Millisecond) {
			t.Errorf("second %d: %v from when it was due, want 3s", s.Offset, s.P50)
		}
	}
	for i, want := range []struct {
		offset int
		n      uint64
	}{{offset: -3, n: 1}, {offset: -2}, {offset: -1, n: 2}, {n: 2}, {offset: 1, n: 2}} {
		if i >= len(got) || got[i] != want.offset || n[i] != want.n {
			t.Fatalf("seconds %v with %v requests", got, n)
		}
	}
	now := time.Now()
	res := r.result(now, now.Add(4*time.Second))
	if len(res.Series) != 4 || res.Series[0].Offset != 0 || res.Series[3].Offset != 3 || res.Series[3].Requests != 0 {
		t.Errorf("the window's series is %+v", res.Series)
	}
	if res.Requests != 4 || res.Lag.Quantile(0.5) < 990*time.Millisecond || res.Service.Max() > 2010*time.Millisecond ||
		res.Corrected.Quantile(0.01) < 2990*time.Millisecond {
		t.Errorf("%+v: lag %v, service %v, corrected %v", res.Counts, res.Lag.Quantile(0.5), res.Service.Max(), res.Corrected.Quantile(0.01))
	}
}

// The latency of a request by itself is kept if the attack asks for it, and adds up over rounds.
func TestLatencyOfOneRequest(t *testing.T) {
	a := load.Attack{
		Model: load.Open, Rate: 200, Target: null(t), Duration: time.Second, LatencyOf: []string{"a"},
		Requests: []load.Request{{Name: "a", Path: "/a", Weight: 1}, {Name: "b", Path: "/b", Weight: 1}},
	}
	r := do(t, a)
	if n := r.LatencyByRequest["a"].Count(); len(r.LatencyByRequest) != 1 || n != r.ByRequest["a"].Successes || n == 0 || n == r.Successes {
		t.Errorf("%d of %d successes in %d histograms, want those of a", n, r.Successes, len(r.LatencyByRequest))
	}
	second := *r
	second.Began, second.Ended = r.Ended, r.Ended.Add(r.Window())
	both, err := load.Merge([]*load.Result{r, &second})
	if err != nil || both.LatencyByRequest["a"].Count() != 2*r.LatencyByRequest["a"].Count() {
		t.Errorf("%d samples of two rounds, %v: want twice %d", both.LatencyByRequest["a"].Count(), err, r.LatencyByRequest["a"].Count())
	}
	a.LatencyOf = []string{"c"}
	if err := a.WithDefaults().Validate(); err == nil || err.Error() != `latency_of[0]: "c" is not allowed: want the name of a request` {
		t.Errorf("%v", err)
	}
}
