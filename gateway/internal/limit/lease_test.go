package limit

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// state reads a key's state in Redis: start, granted, granted before, held, of
// each window.
func state(t *testing.T, s *server, r *Rule, key string) (numbers []int64) {
	t.Helper()
	text, err := s.rdb.Get(t.Context(), newEntry(r, key).redisName()).Result()
	if err != nil {
		t.Fatal(err)
	}
	reply := ints{rest: text}
	for range len(r.windows) * 4 {
		numbers = append(numbers, reply.next())
	}
	if reply.err != nil {
		t.Fatalf("state %q: %v", text, reply.err)
	}
	return numbers
}

// granted waits until Redis has counted n in a rule's first window.
func granted(t *testing.T, s *server, r *Rule, key string, n int64) {
	t.Helper()
	var got []int64
	for range 500 {
		if got = state(t, s, r, key); got[1] == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("Redis has counted %v, want %d", got, n)
}

func leased(t *testing.T, windows []Window) (s *server, r *Rule, l *Limiter) {
	t.Helper()
	s, ns := realRedis(t)
	l = newLimiter(t, 0)
	return s, mustRule(t, l, Policy{Namespace: ns, Windows: windows, Redis: s, Lease: true}), l
}

func TestMostRequestsDoNotAskRedis(t *testing.T) {
	s, r, _ := leased(t, long(1_000_000))
	if n := takes(t, r, "k", 10_000); n != 10_000 {
		t.Errorf("%d passed, want all", n)
	}
	if n := s.asks.Load(); n > 300 {
		t.Errorf("%d round trips for 10000 requests", n)
	}
}

func TestTheLastPermitsGoOneByOne(t *testing.T) {
	s, ns := realRedis(t)
	p := Policy{Namespace: ns, Windows: year(137), Redis: s, Lease: true}
	a, b := mustRule(t, newLimiter(t, 0), p), mustRule(t, newLimiter(t, 0), p)
	passed := 0
	for range 200 {
		passed += takes(t, a, "k", 1) + takes(t, b, "k", 1)
	}
	for range 300 { // what one holds when the other asks for the last is asked for again soon
		time.Sleep(10 * time.Millisecond)
		passed += takes(t, a, "k", 1) + takes(t, b, "k", 1)
	}
	if passed != 137 {
		t.Errorf("%d passed, want 137", passed)
	}
}

func TestUnusedPermitsGoBack(t *testing.T) {
	s, r, _ := leased(t, long(1_000_000))
	takes(t, r, "k", 500)
	if got := state(t, s, r, "k"); got[1] <= 500 {
		t.Fatalf("no lease was taken: %v", got)
	}
	granted(t, s, r, "k", 500)
	if n := takes(t, r, "k", 1); n != 1 {
		t.Error("the next request was refused")
	}
}

func TestCloseGivesLeasesBack(t *testing.T) {
	s, r, l := leased(t, long(1_000_000))
	for k := range 20 {
		takes(t, r, fmt.Sprint(k), 100)
	}
	l.Close()
	for k := range 20 {
		if got := state(t, s, r, fmt.Sprint(k)); got[1] != 100 || got[3] != 0 {
			t.Errorf("key %d: %v, want 100 granted and none held", k, got)
		}
	}
	if n := s.rdb.ZCard(t.Context(), replicasKey).Val(); n != 0 {
		t.Errorf("%d replicas are left", n)
	}
}

func TestEvictedEntriesGiveTheirLeaseBack(t *testing.T) {
	s, ns := realRedis(t)
	l := newLimiter(t, 64)
	r := mustRule(t, l, Policy{Namespace: ns, Windows: long(1_000_000), Redis: s, Lease: true})
	takes(t, r, "k", 500)
	for i := range 2000 {
		takes(t, r, fmt.Sprint("other", i), 1)
	}
	granted(t, s, r, "k", 500)
}

func TestALeaseOutlivesAReload(t *testing.T) {
	s, r, l := leased(t, long(1_000_000))
	takes(t, r, "k", 500)
	again := mustRule(t, l, Policy{Namespace: r.namespace, Windows: r.windows, Redis: s, Lease: true})
	l.Keep([]*Rule{again})
	asks := s.asks.Load()
	if n := takes(t, again, "k", 10); n != 10 || s.asks.Load()-asks > 2 {
		t.Errorf("%d passed in %d round trips", n, s.asks.Load()-asks)
	}
}

func TestALeaseLastsWhileRedisIsAway(t *testing.T) {
	s, r, _ := leased(t, long(1_000_000))
	takes(t, r, "k", 500)
	down := errors.New("down")
	s.fail.Store(&down)
	passed, failed := 0, 0
	for range 1000 {
		if d, err := r.Take("k"); errors.Is(err, down) {
			failed++
		} else if d.Allowed {
			passed++
		}
	}
	if passed == 0 || failed == 0 || passed+failed != 1000 {
		t.Errorf("%d passed and %d failed", passed, failed)
	}
	s.fail.Store(nil)
	if n := takes(t, r, "k", 100); n != 100 {
		t.Errorf("%d of 100 passed when Redis was back", n)
	}
}

// A replica that asks on every request and one that holds leases count together.
func TestModesCountTogether(t *testing.T) {
	s, ns := realRedis(t)
	p := Policy{Namespace: ns, Windows: year(300), Redis: s}
	one := mustRule(t, newLimiter(t, 0), p)
	p.Lease = true
	l := newLimiter(t, 0)
	n := takes(t, mustRule(t, l, p), "k", 200)
	l.Close()
	if n += takes(t, one, "k", 200); n != 300 {
		t.Errorf("%d passed, want 300", n)
	}
}

func TestAllWindowsAreOneKeyAndOneCommand(t *testing.T) {
	s, ns := realRedis(t)
	r := mustRule(t, newLimiter(t, 0), Policy{Namespace: ns, Windows: Calendar([6]int64{100, 200, 300, 400, 500, 600}), Redis: s})
	mustTake(t, r, "k") // loads the script
	count := func() string { return s.rdb.Info(t.Context(), "commandstats").Val() }
	before := count()
	takes(t, r, "k", 1)
	after := count()
	for _, command := range []string{"evalsha", "get", "set"} {
		if a, b := calls(t, before, command), calls(t, after, command); b-a != 1 {
			t.Errorf("%s was called %d times, want once", command, b-a)
		}
	}
}

// calls reads a command's counter out of Redis' statistics.
func calls(t *testing.T, stats, command string) (n int) {
	t.Helper()
	_, rest, ok := strings.Cut(stats, "cmdstat_"+command+":calls=")
	if !ok {
		return 0
	}
	if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWantGrowsWithDemand(t *testing.T) {
	times := leaseTimes{horizon: 200, hold: 1000, most: 1000}
	for _, c := range []struct {
		name string
		l    lease
		need int64
		now  int64
		want int64
	}{
		{name: "the first request of a key takes its own alone", need: 1, now: 1000},
		{name: "four times the lease before at most", l: lease{asked: 1000, taken: 500, target: 20}, need: 1, now: 1100, want: 80},
		{name: "what the horizon needs", l: lease{asked: 1000, taken: 99, target: 100}, need: 1, now: 1100, want: 200},
		{name: "less what is left", l: lease{asked: 1000, taken: 100, target: 100, left: 30}, now: 1100, want: 170},
		{name: "a hundredth of the limit", l: lease{asked: 1000, taken: 99_999, target: 900}, need: 1, now: 1100, want: 1000},
		{name: "a slow key for as long as it may hold it", l: lease{asked: 1000, taken: 9, target: 10}, need: 1, now: 2000, want: 10},
		{name: "a key that was silent", l: lease{asked: 1000, target: 500}, need: 1, now: 60_000},
	} {
		if got := c.l.want(times, c.need, c.now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
