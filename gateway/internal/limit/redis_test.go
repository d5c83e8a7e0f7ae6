package limit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// The promise: however many replicas and requests, never more than the limit,
// and never less while there are takers.
func TestReplicasTogetherGrantExactlyTheLimit(t *testing.T) {
	for _, c := range []struct {
		name    string
		windows []Window
		sliding bool
	}{
		{name: "one fixed window", windows: year(137)},
		{name: "the tightest of three",
			windows: []Window{{Limit: 500, Size: 1000 * 24 * time.Hour}, {Limit: 137, Months: 12}, {Limit: 900, Months: 12}}},
		{name: "a sliding window", windows: long(137), sliding: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ns := realRedis(t)
			var allowed [3]atomic.Int64
			var wg sync.WaitGroup
			for range 4 {
				r := mustRule(t, newLimiter(t, 0), Policy{Namespace: ns, Windows: c.windows, Sliding: c.sliding, Redis: s})
				for range 50 {
					wg.Go(func() {
						for range 8 {
							for k := range allowed {
								if mustTake(t, r, fmt.Sprint("key", k)).Allowed {
									allowed[k].Add(1)
								}
							}
						}
					})
				}
			}
			wg.Wait()
			for k := range allowed {
				if n := allowed[k].Load(); n != 137 {
					t.Errorf("key %d: %d of 1600 passed, want 137", k, n)
				}
			}
			checkExpiry(t, s)
		})
	}
}

// checkExpiry fails when any counter in Redis could live forever.
func checkExpiry(t *testing.T, s *server) {
	t.Helper()
	ctx := context.Background()
	keys, err := s.rdb.Keys(ctx, "gatelab:limit:*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("counters in Redis: %d, %v", len(keys), err)
	}
	for _, k := range keys {
		if ttl := s.rdb.PTTL(ctx, k).Val(); ttl <= 0 {
			t.Errorf("%s expires in %s", k, ttl)
		}
	}
}

func TestAFloodDoesNotReachRedis(t *testing.T) {
	for _, sliding := range []bool{false, true} {
		s, ns := realRedis(t)
		r := mustRule(t, newLimiter(t, 0), Policy{Namespace: ns, Windows: long(5), Sliding: sliding, Redis: s})
		if n := takes(t, r, "a", 5); n != 5 {
			t.Fatalf("%d passed, want 5", n)
		}
		asked := s.asks.Load()
		for range 10_000 {
			d := mustTake(t, r, "a")
			if d.Allowed || d.Remaining(0) != 0 || d.RetryAfter() < 2 {
				t.Fatalf("%+v", d)
			}
		}
		if n := s.asks.Load() - asked; n != 0 {
			t.Errorf("sliding %t: Redis was asked %d times for an exhausted key", sliding, n)
		}
		if n := takes(t, r, "b", 1); n != 1 {
			t.Error("another key was refused")
		}
	}
}

func TestRefusedRequestsAreNotCounted(t *testing.T) {
	s, ns := realRedis(t)
	p := Policy{Namespace: ns, Windows: []Window{{Limit: 2, Months: 12}, {Limit: 10, Size: 1000 * 24 * time.Hour}}, Redis: s}
	takes(t, mustRule(t, newLimiter(t, 0), p), "a", 3)
	// A replica that knows nothing yet asks, and is told the same.
	d := mustTake(t, mustRule(t, newLimiter(t, 0), p), "a")
	if d.Allowed || d.Remaining(0) != 0 || d.Remaining(1) != 8 {
		t.Errorf("%+v", d)
	}
}

func TestALoweredLimitFindsTheOldCounts(t *testing.T) {
	s, ns := realRedis(t)
	l := newLimiter(t, 0)
	takes(t, mustRule(t, l, Policy{Namespace: ns, Windows: year(9), Redis: s}), "a", 5)
	d := mustTake(t, mustRule(t, l, Policy{Namespace: ns, Windows: year(3), Redis: s}), "a")
	if d.Allowed || d.Remaining(0) != 0 {
		t.Errorf("%+v", d)
	}
	if n := takes(t, mustRule(t, l, Policy{Namespace: ns, Windows: year(8), Redis: s}), "a", 9); n != 3 {
		t.Errorf("%d passed after 5 of 8, want 3", n)
	}
}

// gatherThen holds the first round trip up until n more requests wait.
func gatherThen(t *testing.T, s *server, r *Rule, n int, check func(Decision, error)) {
	t.Helper()
	s.gate = make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = r.Take("first") })
	for s.asks.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range n {
		wg.Go(func() { check(r.Take("same")) })
	}
	for gathered := 0; gathered < n; {
		time.Sleep(time.Millisecond)
		gathered = 0
		r.batch.mu.Lock()
		for _, e := range r.batch.pending {
			gathered += int(e.waiting)
		}
		r.batch.mu.Unlock()
	}
	close(s.gate)
	wg.Wait()
}

func TestRequestsGatherWhileARoundTripIsUnderWay(t *testing.T) {
	s, ns := realRedis(t)
	r := mustRule(t, newLimiter(t, 0), Policy{Namespace: ns, Windows: year(30), Redis: s})
	var mu sync.Mutex
	remaining := map[int64]int{}
	gatherThen(t, s, r, 100, func(d Decision, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		if d.Allowed {
			remaining[d.Remaining(0)]++
		}
	})
	if n := s.asks.Load(); n != 2 {
		t.Errorf("%d round trips for 101 requests, want 2", n)
	}
	for i := range int64(30) {
		if remaining[i] != 1 {
			t.Errorf("%d requests were told that %d are left, want each number once: %v", remaining[i], i, remaining)
			break
		}
	}
}

func TestManyKeysRideTogether(t *testing.T) {
	s, ns := realRedis(t)
	l := newLimiter(t, 0)
	a := mustRule(t, l, Policy{Namespace: ns + "a", Windows: year(1), Redis: s})
	b := mustRule(t, l, Policy{Namespace: ns + "b", Windows: long(1), Sliding: true, Redis: s})
	s.gate = make(chan struct{})
	var wg sync.WaitGroup
	var allowed atomic.Int64
	take := func(r *Rule, key string) {
		wg.Go(func() {
			if mustTake(t, r, key).Allowed {
				allowed.Add(1)
			}
		})
	}
	take(a, "first")
	for s.asks.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	const n = maxBatch + 50 // more than one run of the script takes
	for i := range n {
		take(a, fmt.Sprint(i))
		take(b, fmt.Sprint(i))
	}
	for gathered := 0; gathered < 2*n; {
		time.Sleep(time.Millisecond)
		a.batch.mu.Lock()
		gathered = len(a.batch.pending)
		a.batch.mu.Unlock()
	}
	close(s.gate)
	wg.Wait()
	if s.asks.Load() != 2 || allowed.Load() != 2*n+1 {
		t.Errorf("%d passed in %d round trips, want %d in 2", allowed.Load(), s.asks.Load(), 2*n+1)
	}
}

// What the script grants must be what the Go code calculates for the same
// counts.
func TestTheScriptAgreesWithTheCounters(t *testing.T) {
	s, ns := realRedis(t)
	r := rand.New(rand.NewPCG(1, 2))
	ctx := context.Background()
	for i := range 200 {
		limit := 1 + r.Int64N(50)
		rule := mustRule(t, newLimiter(t, 0), Policy{Namespace: fmt.Sprint(ns, i), Windows: long(limit), Sliding: true, Redis: s})
		e := newEntry(rule, "k")
		e.roll(time.Now().UnixMilli())
		c := &e.counters[0]
		c.cur, c.prev = r.Int64N(limit+1), r.Int64N(limit+1)
		s.rdb.Set(ctx, e.redisName(), fmt.Sprint(c.start, c.cur, c.prev, 0), time.Minute)
		want := c.left(&rule.windows[0], true, time.Now().UnixMilli())
		if got := int64(takes(t, rule, "k", 60)); got != max(0, want) {
			t.Errorf("limit %d current %d previous %d: %d passed, want %d", limit, c.cur, c.prev, got, want)
		}
	}
}

func TestAForgottenScriptIsLoadedAgain(t *testing.T) {
	s, ns := realRedis(t)
	l := newLimiter(t, 0)
	r := mustRule(t, l, Policy{Namespace: ns, Windows: year(2), Redis: s})
	mustTake(t, r, "a")
	s.rdb.ScriptFlush(context.Background())
	if n := takes(t, r, "a", 3); n != 1 {
		t.Errorf("%d passed after the script was lost, want 1", n)
	}
}

func TestErrorsReachEveryWaiter(t *testing.T) {
	s, ns := realRedis(t)
	broken := errors.New("broken")
	s.fail.Store(&broken)
	r := mustRule(t, newLimiter(t, 0), Policy{Namespace: ns, Windows: year(5), Redis: s})
	var failed atomic.Int64
	gatherThen(t, s, r, 20, func(_ Decision, err error) {
		if errors.Is(err, broken) {
			failed.Add(1)
		}
	})
	if failed.Load() != 20 {
		t.Errorf("%d of 20 were told", failed.Load())
	}
	s.fail.Store(nil)
	if n := takes(t, r, "same", 9); n != 5 {
		t.Errorf("%d passed once Redis was back, want 5", n)
	}
}

func TestAReplyThatIsNotOursIsAnError(t *testing.T) {
	s, ns := realRedis(t)
	r := mustRule(t, newLimiter(t, 0), Policy{Namespace: ns, Windows: year(5), Redis: s})
	r.batch.script = redis.NewScript(`return "1 x"`)
	if _, err := r.Take("a"); err == nil || !strings.Contains(err.Error(), "script reply") {
		t.Errorf("got %v", err)
	}
	e := newEntry(r, "b") // a counter of another type
	e.roll(time.Now().UnixMilli())
	s.rdb.LPush(context.Background(), e.redisName(), "x")
	r.batch.script = redis.NewScript(leaseSource)
	if d := mustTake(t, r, "b"); !d.Allowed {
		t.Errorf("%+v", d)
	}
}

// hung is a server that takes connections and says nothing.
type hung struct{}

func (*hung) Do(ctx context.Context, _ func(context.Context, redis.Cmdable) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestNoRequestWaitsLongerThanTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Timeout: 100 * time.Millisecond}, nil)
		defer l.Close()
		r := mustRule(t, l, Policy{Windows: year(5), Redis: &hung{}})
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond)
				began := time.Now()
				if _, err := r.Take("a"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if d := time.Since(began); d > 100*time.Millisecond {
					t.Errorf("waited %s", d)
				}
			})
		}
		wg.Wait()
	})
}

func TestAClosedLimiterAnswers(t *testing.T) {
	s, ns := realRedis(t)
	l := newLimiter(t, 0)
	r := mustRule(t, l, Policy{Namespace: ns, Windows: year(5), Redis: s})
	l.Close()
	if _, err := r.Take("a"); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := l.Rule(Policy{Windows: year(1), Redis: &hung{}}); !errors.Is(err, ErrClosed) {
		t.Errorf("a new rule: %v", err)
	}
}
