package limit

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func bucket(limit, burst int64, size time.Duration) []Window {
	return []Window{{Limit: limit, Size: size, Burst: burst}}
}

func TestALocalTokenBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRule(t, newLimiter(t, 0), Policy{Windows: bucket(10, 30, 10*time.Second)})
		if n := takes(t, r, "a", 50); n != 30 {
			t.Errorf("%d passed at once, want the burst of 30", n)
		}
		d := mustTake(t, r, "a")
		if d.RetryAfter() != 1 || d.Reset(0) != 1 || d.Remaining(0) != 0 {
			t.Errorf("retry after %d, reset in %d, %d left; want the next token in 1", d.RetryAfter(), d.Reset(0), d.Remaining(0))
		}
		time.Sleep(1500 * time.Millisecond)
		if n := takes(t, r, "a", 5); n != 1 {
			t.Errorf("%d passed after 1.5 s, want 1", n)
		}
		time.Sleep(500 * time.Millisecond)
		if n := takes(t, r, "a", 5); n != 1 {
			t.Errorf("%d passed after 2 s, want the half token and another half", n)
		}
		time.Sleep(2 * time.Second)
		if d := mustTake(t, r, "a"); d.Remaining(0) != 1 || d.Reset(0) != 29 {
			t.Errorf("%d left, reset in %d; want 1, and a full bucket in 29", d.Remaining(0), d.Reset(0))
		}
		time.Sleep(time.Minute)
		if n := takes(t, r, "a", 50); n != 30 {
			t.Errorf("%d passed after a minute, want 30", n)
		}
	})
}

// A bucket of one token per hour gets it back, however often it is asked.
func TestASlowBucketFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRule(t, newLimiter(t, 0), Policy{Windows: bucket(1, 1, time.Hour)})
		passed := 0
		for range 4 * 3600 {
			passed += takes(t, r, "a", 1)
			time.Sleep(time.Second)
		}
		if passed != 4 {
			t.Errorf("%d passed in four hours, want 4", passed)
		}
	})
}

// By Redis' clock, over three replicas: in any time t never more than the burst
// and what t brings back.
func TestABucketInRedis(t *testing.T) {
	const limit, burst = 50, 100
	runWorld(t, Policy{Windows: bucket(limit, burst, time.Second)}, func(w *world) {
		replicas := []*replica{w.start(), w.start(), w.start()}
		w.five(9, replicas, 250, 6*time.Second)
		for _, p := range replicas {
			p.stop()
		}
		for i, from := range w.admitted {
			for j := i; j < len(w.admitted); j += 7 {
				if n, most := float64(j-i+1), burst+float64(w.admitted[j]-from)*limit/1000; n > most+1e-3 {
					t.Fatalf("%.0f passed within %d ms, want %.1f at most", n, w.admitted[j]-from, most)
				}
			}
		}
		if n := len(w.admitted); n < 390 || n > 400 {
			t.Errorf("%d passed in 6 s, want 390 to 400", n)
		}
	})
}

func TestBucketsThatCannotBe(t *testing.T) {
	l := newLimiter(t, 0)
	for _, p := range []Policy{
		{Windows: bucket(1, 1, time.Second), Sliding: true},
		{Windows: bucket(1, 1, time.Second), Redis: newAway(), Lease: true},
		{Windows: bucket(1, 1, time.Second), Redis: newAway(), Sync: time.Second},
		{Windows: []Window{{Limit: 1, Months: 1, Burst: 1}}},
	} {
		if _, err := l.Rule(p); err == nil || !strings.Contains(err.Error(), "token buckets have no months") {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := l.Rule(Policy{Windows: bucket(1, MaxBurst+1, time.Second)}); err == nil {
		t.Error("a bucket that is too large")
	}
}
