package limit

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The tests exchange by hand: the period is longer than any test.
const never = 10 * time.Hour

func TestReplicasLearnOfEachOtherPeriodically(t *testing.T) {
	for _, sliding := range []bool{false, true} {
		s, ns := realRedis(t)
		p := Policy{Namespace: ns, Windows: long(10), Sliding: sliding, Redis: s, Sync: never}
		a, b := mustRule(t, newLimiter(t, 0), p), mustRule(t, newLimiter(t, 0), p)
		takes(t, a, "k", 4)
		takes(t, b, "k", 3)
		if s.asks.Load() != 0 {
			t.Errorf("requests asked Redis %d times", s.asks.Load())
		}
		a.sync.exchange() // 4 there
		b.sync.exchange() // 7 there, and b knows
		if n := takes(t, b, "k", 10); n != 3 {
			t.Errorf("sliding %t: %d passed at b, want the 3 that are left", sliding, n)
		}
		takes(t, a, "k", 1)
		b.sync.exchange()
		a.sync.exchange() // 11: one too many, as this mode may
		if n := takes(t, a, "k", 10); n != 0 {
			t.Errorf("sliding %t: %d passed at a, want 0", sliding, n)
		}
		asked := s.asks.Load()
		a.sync.exchange()
		if s.asks.Load() != asked {
			t.Error("nothing was counted, but Redis was asked")
		}
		checkExpiry(t, s)
	}
}

func TestCountsThatCouldNotBeSentAreSentLater(t *testing.T) {
	s, ns := realRedis(t)
	p := Policy{Namespace: ns, Windows: long(10), Sliding: true, Redis: s, Sync: never}
	a, b := mustRule(t, newLimiter(t, 0), p), mustRule(t, newLimiter(t, 0), p)
	takes(t, a, "k", 4)
	down := errors.New("down")
	s.fail.Store(&down)
	a.sync.exchange()
	if n := takes(t, a, "k", 3); n != 3 {
		t.Errorf("%d passed while Redis was down, want 3", n)
	}
	s.fail.Store(nil)
	a.sync.exchange()
	takes(t, b, "k", 1)
	b.sync.exchange()
	if n := takes(t, b, "k", 10); n != 2 {
		t.Errorf("%d passed at b, want 2 of 10 after 7 and 1", n)
	}
}

func TestCloseSendsWhatIsLeft(t *testing.T) {
	s, ns := realRedis(t)
	p := Policy{Namespace: ns, Windows: long(10), Redis: s, Sync: never}
	l := newLimiter(t, 0)
	takes(t, mustRule(t, l, p), "k", 6)
	l.Close()
	b := mustRule(t, newLimiter(t, 0), p)
	takes(t, b, "k", 1)
	b.sync.exchange()
	if d := mustTake(t, b, "k"); d.Remaining(0) != 2 {
		t.Errorf("%d left, want 2", d.Remaining(0))
	}
}

// A count that was under way when its window ended belongs to the previous
// window when windows slide, and to nothing when they are fixed.
func TestSettlingAfterTheWindowEnded(t *testing.T) {
	l := newLimiter(t, 0)
	for _, sliding := range []bool{false, true} {
		r := mustRule(t, l, Policy{Windows: []Window{{Limit: 10, Size: time.Second}}, Sliding: sliding})
		for _, ok := range []bool{false, true} {
			e := newEntry(r, "k")
			e.roll(10_000)
			e.take(10_000)
			c := &call{}
			parts := e.outgoing(c, nil, 10_000)
			e.roll(11_000)
			parts[0].settle(7, ok)
			got := e.counters[0]
			want := counter{start: 11_000, end: 12_000, prev: 1}
			switch {
			case sliding && ok:
				want.prev = 7
			case sliding:
				want.prevDelta = 1
			}
			if got != want {
				t.Errorf("sliding %t ok %t: %+v, want %+v", sliding, ok, got, want)
			}
		}
	}
}

func TestThePeriodIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		s := &server{}
		s.fail.Store(&down)
		l := New(Config{}, nil)
		r := mustRule(t, l, Policy{Windows: long(10), Redis: s, Sync: 2 * time.Second})
		mustTake(t, r, "k")
		time.Sleep(7 * time.Second)
		if n := s.asks.Load(); n != 3 {
			t.Errorf("%d exchanges in 7 s, want 3", n)
		}
		l.Close()
		if n := s.asks.Load(); n != 4 {
			t.Errorf("%d exchanges, want one more for Close", n)
		}
	})
}

// Requests go on while an exchange is under way.
func TestCountsMadeDuringAnExchangeStay(t *testing.T) {
	r := mustRule(t, newLimiter(t, 0), Policy{Windows: long(10)})
	e := newEntry(r, "k")
	now := time.Now().UnixMilli()
	e.roll(now)
	e.take(now)
	parts := e.outgoing(&call{}, nil, now)
	e.take(now)
	e.take(now)
	parts[0].settle(6, true)
	if c := e.counters[0]; c.cur != 8 || c.delta != 2 {
		t.Errorf("%+v, want 6 and the 2 that are not sent", c)
	}
}
