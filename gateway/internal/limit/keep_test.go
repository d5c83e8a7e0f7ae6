package limit

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// newAway is a Redis that cannot be reached.
func newAway() *server {
	s := &server{}
	err := errors.New("away")
	s.fail.Store(&err)
	return s
}

func TestWhatNoRuleUsesIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{}, nil)
		defer l.Close()
		gone, stays := newAway(), newAway()
		policy := func(s *server, sync time.Duration) Policy {
			return Policy{Namespace: "n", Windows: year(5), Redis: s, Sync: sync}
		}
		old := mustRule(t, l, policy(gone, 0))
		oldSync := mustRule(t, l, policy(gone, time.Second))
		used := []*Rule{mustRule(t, l, policy(stays, 0)), mustRule(t, l, policy(stays, time.Second)),
			mustRule(t, l, Policy{Namespace: "local", Windows: year(5)})}
		l.Keep(used)
		if len(l.batchers) != 1 || len(l.syncers) != 1 {
			t.Errorf("%d batchers and %d syncers are left, want 1 of each", len(l.batchers), len(l.syncers))
		}
		asks := gone.asks.Load()
		// What is in flight is still asked of the old Redis.
		if _, err := old.Take("k"); err == nil || errors.Is(err, ErrClosed) || gone.asks.Load() == asks {
			t.Errorf("right after: %v", err)
		}
		if d, err := oldSync.Take("k"); err != nil || !d.Allowed {
			t.Errorf("right after: %v", err)
		}
		time.Sleep(time.Minute) // not a real one
		if _, err := old.Take("k"); !errors.Is(err, ErrClosed) {
			t.Errorf("a rule whose Redis was given up says %v", err)
		}
		if _, err := oldSync.Take("k"); err != nil {
			t.Errorf("a rule that only exchanged counts says %v", err)
		}
		asks = gone.asks.Load()
		time.Sleep(time.Minute)
		if n := gone.asks.Load(); n != asks {
			t.Error("a Redis that was given up is still asked")
		}
		// The same configuration again begins anew.
		again := mustRule(t, l, policy(gone, 0))
		if again.id == old.id {
			t.Error("a new rule found the counters of one that was given up")
		}
		if _, err := again.Take("k"); err == nil || errors.Is(err, ErrClosed) {
			t.Errorf("after a return: %v", err)
		}
		if _, err := used[0].Take("k"); err == nil || errors.Is(err, ErrClosed) {
			t.Errorf("a rule in use: %v", err)
		}
	})
}
