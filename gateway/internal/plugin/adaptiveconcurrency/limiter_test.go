package adaptiveconcurrency

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// origin is a server whose latency depends on how many requests it works on.
type origin struct {
	base     time.Duration
	capacity int64
	inFlight atomic.Int64
	slower   atomic.Int64 // times that base counts; 0 is 1
}

// work takes base up to capacity requests at a time, and beyond it more with the square of their number: a server that thrashes.
func (o *origin) work(rng *rand.Rand) {
	n := float64(o.inFlight.Add(1))
	defer o.inFlight.Add(-1)
	crowd := max(1, n/float64(o.capacity))
	noise := 0.9 + 0.2*rng.Float64()
	time.Sleep(time.Duration(float64(o.base) * float64(max(1, o.slower.Load())) * crowd * crowd * noise))
}

// drive has clients ask for as long as given, each again at once when it is answered, and 10 ms after it was refused. It returns how many
// requests were answered within ten times the base.
func drive(l *limiter, o *origin, clients int, lasts time.Duration) (good int64) {
	var wg sync.WaitGroup
	var n atomic.Int64
	end := time.Now().Add(lasts)
	for i := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for time.Now().Before(end) {
				if l != nil && !l.enter(100) {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				began := time.Now()
				o.work(rng)
				took := time.Since(began)
				if took <= 10*o.base {
					n.Add(1)
				}
				if l != nil {
					l.observe(began, time.Now(), took, answered)
					l.leave()
				}
			}
		})
	}
	wg.Wait()
	return n.Load()
}

var usualBounds = bounds{least: 4, first: 64, most: 4096, tolerance: 1.5}

func TestTheLimitFindsTheCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		capacity int64
		clients  int
	}{
		"far below the first limit": {capacity: 10, clients: 200},
		"above the first limit":     {capacity: 200, clients: 600},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, o := newLimiter(usualBounds), &origin{base: 20 * time.Millisecond, capacity: c.capacity}
				drive(l, o, c.clients, 10*time.Second) // it finds out
				got := drive(l, o, c.clients, 20*time.Second)
				best := float64(c.capacity) / 0.02 * 20 // an origin that is never crowded
				if float64(got) < 0.75*best {
					t.Errorf("%d good answers, at best %.0f", got, best)
				}
				if most := l.ceiling.Load(); most < c.capacity*8/10 || most > c.capacity*15/10 {
					t.Errorf("limit %d for a capacity of %d", most, c.capacity)
				}
				if n := l.inFlight.Load(); n != 0 {
					t.Errorf("%d are in flight when all are answered", n)
				}
				without := drive(nil, &origin{base: 20 * time.Millisecond, capacity: c.capacity}, c.clients*2, 20*time.Second)
				if without*2 > got {
					t.Errorf("%d good answers without a limit, %d with", without, got)
				}
			})
		})
	}
}

// TestALongOverloadDoesNotMoveTheBaseline: what a crowded upstream needs must not become the measure.
func TestALongOverloadDoesNotMoveTheBaseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(usualBounds), &origin{base: 20 * time.Millisecond, capacity: 10}
		drive(l, o, 100, 5*time.Minute)
		if _, base := l.state(); base > 26*time.Millisecond {
			t.Errorf("baseline %s after five minutes, the upstream's latency is 20 ms", base)
		}
	})
}

// TestAnUpstreamThatBecomesSlowerForGood has a new baseline after a while, and so has one that becomes faster.
func TestAnUpstreamThatBecomesSlowerForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(usualBounds), &origin{base: 20 * time.Millisecond, capacity: 50}
		drive(l, o, 100, 10*time.Second)
		o.slower.Store(4)
		drive(l, o, 100, time.Minute)
		if most, base := l.state(); base < 70*time.Millisecond || most < 35 {
			t.Errorf("limit %d, baseline %s, of an upstream of 80 ms and a capacity of 50", most, base)
		}
		o.slower.Store(1)
		drive(l, o, 100, time.Minute)
		if most, base := l.state(); base > 30*time.Millisecond || most < 35 {
			t.Errorf("limit %d, baseline %s, of an upstream of 20 ms and a capacity of 50", most, base)
		}
	})
}

func TestFewRequestsLeaveTheLimitAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, o := newLimiter(usualBounds), &origin{base: 20 * time.Millisecond, capacity: 100}
		drive(l, o, 5, time.Minute)
		if most := l.ceiling.Load(); most != usualBounds.first {
			t.Errorf("limit %d, it was %d and is not used", most, usualBounds.first)
		}
	})
}

func TestLostRequestsLowerTheLimit(t *testing.T) {
	l := newLimiter(usualBounds)
	now := time.Unix(1000, 0)
	for i := range 100 {
		now = now.Add(10 * time.Millisecond)
		what := answered
		if i%5 == 0 {
			what = lost
		}
		l.observe(now, now, time.Millisecond, what)
	}
	if most := l.ceiling.Load(); most >= usualBounds.first {
		t.Errorf("limit %d, although a fifth of the requests was lost", most)
	}
}

// TestClientsThatLeave: those who gave up after long are what is seen of an upstream that answers too late for all; those who leave at once
// say nothing.
func TestClientsThatLeave(t *testing.T) {
	l := newLimiter(usualBounds)
	now := time.Unix(1000, 0)
	feed := func(took time.Duration, what outcome) {
		for range 200 {
			l.enter(100)
			now = now.Add(5 * time.Millisecond)
			l.observe(now, now, took, what)
			l.leave()
		}
	}
	feed(10*time.Millisecond, answered)
	feed(time.Millisecond, left)
	if most, base := l.state(); most != usualBounds.first || base < 9*time.Millisecond {
		t.Errorf("limit %d, baseline %s after clients that left early", most, base)
	}
	feed(250*time.Millisecond, left)
	if most, _ := l.state(); most >= usualBounds.first {
		t.Errorf("limit %d, although all clients gave up", most)
	}
}

func TestSharesOfTheLimit(t *testing.T) {
	l := newLimiter(bounds{least: 1, first: 10, most: 10, tolerance: 1.5})
	count := func(share int64) (n int) {
		for l.enter(share) {
			n++
		}
		return n
	}
	for _, c := range []struct{ share, want int64 }{{60, 6}, {90, 3}, {100, 1}} {
		if got := count(c.share); int64(got) != c.want {
			t.Errorf("%d more up to a share of %d, want %d", got, c.share, c.want)
		}
	}
	one := newLimiter(bounds{least: 1, first: 1, most: 1, tolerance: 1.5})
	if !one.enter(1) || one.enter(100) {
		t.Error("the smallest share of the smallest limit is one request")
	}
}

func TestMedians(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 31 * time.Microsecond, 32 * time.Microsecond, 63 * time.Microsecond,
		64 * time.Microsecond, time.Millisecond, 33 * time.Millisecond, time.Second, 59 * time.Second} {
		var h histogram
		h.add(d)
		h.add(d)
		h.add(time.Hour)
		if got := h.median(); got < d-d/20 || got > d+d/20+time.Microsecond {
			t.Errorf("median %s of %s", got, d)
		}
	}
	for i := range bucketOf(time.Minute) {
		if lowest(i) >= lowest(i+1) || bucketOf(lowest(i)) != i {
			t.Fatalf("bucket %d begins at %s, which is in %d", i, lowest(i), bucketOf(lowest(i)))
		}
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := newLimiter(bounds{least: 1, first: 1000, most: 1000, tolerance: 1.5})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		now := time.Now()
		for pb.Next() {
			if l.enter(100) {
				now = now.Add(time.Microsecond)
				l.observe(now, now, 5*time.Millisecond, answered)
				l.leave()
			}
		}
	})
}
