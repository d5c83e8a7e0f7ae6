package engine

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// paced is when each request is due, from the attack's beginning, as vegeta asks a pacer for it; by the simulated clock of a bubble each
// leaves then.
func paced(t *testing.T, a load.Attack) (due []time.Duration) {
	t.Helper()
	p := newPacer(t.Context(), a, a.Warmup+a.Duration)
	p.close()
	p.timer = nil // the kernel's timer knows nothing of the bubble
	began := time.Now()
	for n := uint64(0); ; n++ {
		wait, stop := p.Pace(time.Since(began), n)
		if stop {
			if unsent := p.unsent(0, p.total); unsent != 0 {
				t.Errorf("%d unsent, where all were sent", unsent)
			}
			return due
		}
		time.Sleep(wait)
		due = append(due, p.due(n))
		if sent := time.Since(began); sent < due[n]-fineWait || sent > due[n]+2*bunch {
			t.Fatalf("request %d is due at %v, and was sent at %v", n, due[n], sent)
		}
	}
}

// between is how many of some times are in an interval.
func between(times []time.Duration, from, to float64) (n int) {
	for _, at := range times {
		if at.Seconds() >= from && at.Seconds() < to {
			n++
		}
	}
	return n
}

func TestShapesAreKept(t *testing.T) {
	second := time.Second
	for _, row := range []struct {
		name  string
		shape []load.Segment
		rate  float64
		want  map[[2]float64]int // requests sent between two seconds
	}{
		{"constant", nil, 200, map[[2]float64]int{{0, 1}: 200, {9, 10}: 200, {0, 11}: 2200}},
		{"steps", []load.Segment{{For: 5 * second, From: 0.5, To: 0.5}, {For: 5 * second, From: 1, To: 1}}, 200,
			map[[2]float64]int{{0, 1}: 100, {1, 6}: 500, {6, 11}: 1000}},
		{"a ramp", []load.Segment{{For: 10 * second, From: 0, To: 1}}, 200,
			map[[2]float64]int{{0, 1}: 0, {1, 2}: 10, {5, 6}: 90, {10, 11}: 190, {0, 11}: 1000}},
		{"a spike above the bunches", []load.Segment{{For: 4 * second, From: 1, To: 1}, {For: second, From: 60, To: 60},
			{For: 5 * second, From: 1, To: 1}}, 100, map[[2]float64]int{{1, 5}: 400, {5, 6}: 6000, {6, 11}: 500}},
		{"a pause", []load.Segment{{For: 4 * second, From: 1, To: 1}, {For: 2 * second}, {For: 4 * second, From: 2, To: 0}}, 100,
			map[[2]float64]int{{1, 5}: 400, {5, 7}: 0, {7, 11}: 400}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := paced(t, load.Attack{Model: load.Open, Rate: row.rate, Shape: row.shape, Warmup: second, Duration: 10 * second})
				for at, want := range row.want {
					if got := between(sent, at[0], at[1]); got < want-1 || got > want+1 {
						t.Errorf("%d requests between second %v and %v, want %d", got, at[0], at[1], want)
					}
				}
			})
		})
	}
}

// Workers together send the requests of one, at their times, whatever the shape and the arrivals are.
func TestPartsOfAShapeAreTheWhole(t *testing.T) {
	for _, arrivals := range []string{load.Even, load.Poisson} {
		synctest.Test(t, func(t *testing.T) {
			whole := load.Attack{Model: load.Open, Rate: 300, Warmup: time.Second, Duration: 6 * time.Second, Seed: 3, Arrivals: arrivals,
				Shape: []load.Segment{{For: 3 * time.Second, From: 0.2, To: 1}, {For: 3 * time.Second, From: 2, To: 1}}}
			one := paced(t, whole)
			var three []time.Duration
			for i := range 3 {
				a := whole
				a.Part = &load.Part{Worker: i, Of: 3}
				mine := paced(t, a)
				if n := len(one) / 3; len(mine) < n || len(mine) > n+1 {
					t.Errorf("worker %d sends %d of %d", i, len(mine), len(one))
				}
				three = append(three, mine...)
			}
			slices.Sort(three)
			if !slices.Equal(one, three) {
				t.Errorf("%q: one worker sends %d, three %d, and not at the same times", arrivals, len(one), len(three))
			}
		})
	}
}

func TestPoissonArrivalsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := load.Attack{Model: load.Open, Rate: 100, Duration: 100 * time.Second, Seed: 5, Arrivals: load.Poisson}
		sent := paced(t, a)
		if n := float64(len(sent)); math.Abs(n-10_000) > 500 { // five standard deviations
			t.Errorf("%v requests in 100 s at 100/s", n)
		}
		var below int
		for i := 1; i < len(sent); i++ {
			if sent[i]-sent[i-1] < 10*time.Millisecond {
				below++
			}
		}
		if share := float64(below) / float64(len(sent)); math.Abs(share-(1-1/math.E)) > 0.03 {
			t.Errorf("%.3f of the intervals are below their mean, want %.3f", share, 1-1/math.E)
		}
		if again := paced(t, a); !slices.Equal(sent, again) {
			t.Error("the same seed has other arrivals")
		}
	})
}

// What is due in each segment is counted there, with its own latency.
func TestSegmentsAreCounted(t *testing.T) {
	r := do(t, load.Attack{Model: load.Open, Rate: 100, Target: null(t), Warmup: 200 * time.Millisecond, Duration: 1500 * time.Millisecond,
		KeepRaw: true, Shape: []load.Segment{
			{For: 500 * time.Millisecond, From: 1, To: 1}, {For: 250 * time.Millisecond, From: 8, To: 8}, {For: 250 * time.Millisecond},
			{For: 500 * time.Millisecond, From: 0, To: 2},
		}})
	sums(t, r)
	var all load.Counts
	for i, want := range []uint64{50, 200, 0, 50} {
		s := r.Segments[i]
		all.Add(s.Counts)
		if got := s.Requests + s.Unsent; got < want-min(want, 1) || got > want+1 || s.Corrected.Count() != s.Successes || s.Unsent > 0 {
			t.Errorf("segment %d: %d requests, %d unsent, %d latencies: want %d", i, s.Requests, s.Unsent, s.Corrected.Count(), want)
		}
	}
	if len(r.Segments) != 4 || all != r.Counts || r.Requests < 299 {
		t.Errorf("%d segments with %+v of %+v", len(r.Segments), all, r.Counts)
	}
}
