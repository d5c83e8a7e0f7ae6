package limit

import (
	"errors"
	"testing"
	"time"
)

// trio is three replicas that know of each other, each with a Redis that can be
// taken away.
func trio(t *testing.T, p Policy) (servers []*server, rules []*Rule) {
	t.Helper()
	_, p.Namespace = realRedis(t)
	for range 3 {
		s, _ := realRedis(t)
		p.Redis = s
		servers = append(servers, s)
		rules = append(rules, mustRule(t, newLimiter(t, 0), p))
	}
	for _, r := range rules {
		for range 1000 {
			if r.batch.replicas.Load() == 3 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := r.batch.replicas.Load(); n != 3 {
			t.Fatalf("a replica knows %d", n)
		}
	}
	return servers, rules
}

// passWithout counts how many of n pass by Redis, or else by the share.
func passWithout(t *testing.T, r *Rule, n int) (passed int) {
	t.Helper()
	for range n {
		d, err := r.Take("k")
		if err != nil {
			d = r.TakeShare("k")
		}
		if d.Allowed {
			passed++
		}
	}
	return passed
}

func TestWithoutRedisEachReplicaHasItsShare(t *testing.T) {
	for _, lease := range []bool{false, true} {
		t.Run(map[bool]string{false: "synchronous", true: "leased"}[lease], func(t *testing.T) { shares(t, lease) })
	}
}

func shares(t *testing.T, lease bool) {
	servers, rules := trio(t, Policy{Windows: year(300), Lease: lease, Share: true})
	passed := passWithout(t, rules[0], 30) + passWithout(t, rules[1], 30) + passWithout(t, rules[2], 30)
	down := errors.New("down")
	for _, s := range servers {
		s.fail.Store(&down)
	}
	for i, r := range rules {
		n := passWithout(t, r, 200)
		if passed += n; n == 0 {
			t.Errorf("replica %d lets nothing pass", i)
		}
	}
	// Each knew what the others had when it asked last, 30 and 60 too few.
	if passed < 200 || passed > 300 {
		t.Errorf("%d of 300 passed without Redis", passed)
	}
	for _, s := range servers {
		s.fail.Store(nil)
	}
	for _, r := range rules { // the first ask tells of the share
		passed += passWithout(t, r, 1)
	}
	together(t, rules)
	for range 2 {
		for _, r := range rules {
			passed += passWithout(t, r, 300)
		}
	}
	if passed < 290 || passed > 300 {
		t.Errorf("%d of 300 passed in all", passed)
	}
}

// together waits until the replicas count through Redis alone.
func together(t *testing.T, rules []*Rule) {
	t.Helper()
	for _, r := range rules {
		eventually(t, "a replica counts with the others", func() bool { return !r.batch.keepsApart() })
	}
}

// TestReplicasThatHaveNotNoticedKeepTheirShare has Redis back for one replica before the
// others know.
func TestReplicasThatHaveNotNoticedKeepTheirShare(t *testing.T) {
	for _, lease := range []bool{false, true} {
		t.Run(map[bool]string{false: "synchronous", true: "leased"}[lease], func(t *testing.T) { keepTheirShare(t, lease) })
	}
}

func keepTheirShare(t *testing.T, lease bool) {
	servers, rules := trio(t, Policy{Windows: year(300), Lease: lease, Share: true})
	down := errors.New("down")
	for _, s := range servers {
		s.fail.Store(&down)
	}
	passed := passWithout(t, rules[0], 60)
	servers[0].fail.Store(nil)
	eventually(t, "the first replica has told", func() bool { return !rules[0].batch.away.Load() })
	n := passWithout(t, rules[0], 300)
	if n != 40 {
		t.Errorf("%d more passed through Redis: want the rest of its share, 40", n)
	}
	passed += n + passWithout(t, rules[1], 300) + passWithout(t, rules[2], 300)
	if passed != 300 {
		t.Errorf("%d passed: want three shares of 100", passed)
	}
	servers[1].fail.Store(nil)
	servers[2].fail.Store(nil)
	together(t, rules)
	for _, r := range rules {
		passed += passWithout(t, r, 10)
	}
	if passed != 300 {
		t.Errorf("%d passed in all: want 300", passed)
	}
}

func TestSharesAreToldWithoutAnotherRequest(t *testing.T) {
	servers, rules := trio(t, Policy{Windows: append(long(300), year(600)...), Share: true})
	passWithout(t, rules[0], 10)
	down := errors.New("down")
	servers[0].fail.Store(&down)
	if n := passWithout(t, rules[0], 50); n != 50 {
		t.Errorf("%d of 50 passed, of a share of 90", n)
	}
	if n := passWithout(t, rules[0], 100); n != 40 {
		t.Errorf("%d passed of the rest of the share, want 40", n)
	}
	servers[0].fail.Store(nil)
	granted(t, servers[0], rules[0], "k", 100)
	if got := state(t, servers[0], rules[0], "k"); got[5] != 100 || got[3] != 0 || got[7] != 0 {
		t.Errorf("state %v, want 100 in both windows and none held", got)
	}
	if d := mustTake(t, rules[1], "k"); d.Remaining(0) != 300-101 {
		t.Errorf("%d left, want 199", d.Remaining(0))
	}
}

// TestTheWindowInWhichRedisFails admits more than its limit only where a replica had let
// pass more than its part of it, by what that was more, and the others had not heard of it.
func TestTheWindowInWhichRedisFails(t *testing.T) {
	for _, c := range []struct {
		name    string
		windows []Window
		sliding bool
		lease   bool
		first   [3]int // pass through Redis, in this order
		most    int    // in all
	}{
		{name: "as many everywhere", windows: year(300), first: [3]int{60, 60, 60}, most: 300},
		{name: "as many everywhere, leased", windows: year(300), lease: true, first: [3]int{60, 60, 60}, most: 300},
		{name: "as many everywhere, sliding", windows: long(300), sliding: true, first: [3]int{60, 60, 60}, most: 300},
		{name: "several windows", windows: append(long(600), year(300)...), first: [3]int{90, 90, 90}, most: 300},
		{name: "not as many, within a part", windows: year(300), first: [3]int{100, 50, 0}, most: 300},
		{name: "one has had two parts", windows: year(300), first: [3]int{200, 0, 0}, most: 400},
		{name: "one has had two parts, and the others know", windows: year(300), first: [3]int{200, 1, 1}, most: 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			servers, rules := trio(t, Policy{Windows: c.windows, Sliding: c.sliding, Lease: c.lease, Share: true})
			passed := 0
			for i, r := range rules {
				passed += passWithout(t, r, c.first[i])
			}
			down := errors.New("down")
			for _, s := range servers {
				s.fail.Store(&down)
			}
			for _, r := range rules {
				passed += passWithout(t, r, 400)
			}
			if passed > c.most || passed < 250 {
				t.Errorf("%d passed: want 250 to %d", passed, c.most)
			}
			for _, s := range servers {
				s.fail.Store(nil)
			}
			for _, r := range rules {
				passed += passWithout(t, r, 1)
			}
			together(t, rules)
			for _, r := range rules {
				passed += passWithout(t, r, 300)
			}
			// Leases that were to be returned meanwhile are lost, ten permits of each replica at most.
			if passed > c.most || passed < 270 {
				t.Errorf("%d passed in all: want 270 to %d", passed, c.most)
			}
		})
	}
}
