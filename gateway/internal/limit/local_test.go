package limit

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func TestLocalFixedWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, 0)
		r := mustRule(t, l, Policy{Windows: Calendar([6]int64{2, 3})})
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))) // a minute begins

		if n := takes(t, r, "a", 5); n != 2 {
			t.Errorf("%d passed in the first second, want 2", n)
		}
		d := mustTake(t, r, "a")
		if d.Remaining(0) != 0 || d.Remaining(1) != 1 || d.Reset(0) != 1 || d.Reset(1) != 60 || d.RetryAfter() != 1 {
			t.Errorf("the refused counted, or the times are off: %+v", d)
		}
		time.Sleep(time.Second)
		if n := takes(t, r, "a", 5); n != 1 {
			t.Errorf("%d passed in the next second, want the minute's last", n)
		}
		if d := mustTake(t, r, "a"); d.RetryAfter() != 59 {
			t.Errorf("retry after %d, want the minute's end", d.RetryAfter())
		}
		if n := takes(t, r, "b", 5); n != 2 {
			t.Errorf("%d of another key passed, want 2", n)
		}
		time.Sleep(59 * time.Second)
		if n := takes(t, r, "a", 5); n != 2 {
			t.Errorf("%d passed in the next minute, want 2", n)
		}
	})
}

func TestLocalSlidingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, 0)
		r := mustRule(t, l, Policy{Windows: []Window{{Limit: 10, Size: 10 * time.Second}}, Sliding: true})
		time.Sleep(time.Until(time.Now().Truncate(10 * time.Second).Add(19 * time.Second)))

		if n := takes(t, r, "a", 20); n != 10 {
			t.Errorf("%d passed, want 10", n)
		}
		time.Sleep(time.Second) // the window is over, but all of it still weighs
		if n := takes(t, r, "a", 20); n != 0 {
			t.Errorf("%d passed right after the window, want 0", n)
		}
		time.Sleep(3 * time.Second)
		if n := takes(t, r, "a", 20); n != 3 {
			t.Errorf("%d passed after three tenths of the next window, want 3", n)
		}
		d := mustTake(t, r, "a")
		time.Sleep(time.Duration(d.RetryAfter()) * time.Second)
		if n := takes(t, r, "a", 20); n != 1 {
			t.Errorf("%d passed after Retry-After, want 1", n)
		}
	})
}

func TestCountersAreDroppedWhenTheirWindowsAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, 0)
		fixed := mustRule(t, l, Policy{Windows: Calendar([6]int64{0, 5})})
		sliding := mustRule(t, l, Policy{Windows: []Window{{Limit: 5, Size: time.Minute}}, Sliding: true})
		for i := range 500 {
			mustTake(t, fixed, fmt.Sprint(i))
		}
		mustTake(t, sliding, "s")
		if l.Len() != 501 {
			t.Fatalf("%d keys, want 501", l.Len())
		}
		time.Sleep(time.Minute + 2*sweepInterval)
		if l.Len() != 1 {
			t.Errorf("%d keys after the fixed windows, want the sliding one", l.Len())
		}
		time.Sleep(time.Minute)
		if l.Len() != 0 {
			t.Errorf("%d keys after all windows", l.Len())
		}
	})
}

func TestMemoryIsBoundedAndHeavyKeysStay(t *testing.T) {
	l := newLimiter(t, 6400)
	r := mustRule(t, l, Policy{Windows: year(3)})
	takes(t, r, "heavy", 3)
	for i := range 50_000 {
		mustTake(t, r, fmt.Sprint(i))
	}
	if l.Len() > 6400 {
		t.Errorf("%d keys, want at most 6400", l.Len())
	}
	if mustTake(t, r, "heavy").Allowed {
		t.Error("a flood of keys gave a limited one its room back")
	}
}

func TestAReloadKeepsTheCounts(t *testing.T) {
	l := newLimiter(t, 0)
	p := Policy{Namespace: "plugin-1", Windows: year(3)}
	takes(t, mustRule(t, l, p), "a", 2)
	if n := takes(t, mustRule(t, l, p), "a", 5); n != 1 {
		t.Errorf("%d passed after a reload, want 1", n)
	}
	p.Namespace = "plugin-2"
	if n := takes(t, mustRule(t, l, p), "a", 5); n != 3 {
		t.Errorf("%d passed by another plugin's rule, want 3", n)
	}
}

func TestLocalNeverOverAdmits(t *testing.T) {
	l := newLimiter(t, 0)
	r := mustRule(t, l, Policy{Windows: year(1000)})
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { allowed.Add(int64(takes(t, r, "k", 100))) })
	}
	wg.Wait()
	if allowed.Load() != 1000 {
		t.Errorf("%d passed, want 1000", allowed.Load())
	}
}

func TestRuleRefusesBadPolicies(t *testing.T) {
	l := newLimiter(t, 0)
	for _, c := range []struct {
		p    Policy
		want string
	}{
		{Policy{}, "0 windows: want 1 to 8"},
		{Policy{Windows: make([]Window, 9)}, "9 windows: want 1 to 8"},
		{Policy{Windows: []Window{{Size: time.Minute}}}, "limit 0: want at least 1"},
		{Policy{Windows: []Window{{Limit: 1, Size: 1500 * time.Millisecond}}}, "window of 1.5s: want whole seconds"},
		{Policy{Windows: []Window{{Limit: 1, Months: 2}}}, "window of 2 months: want 1 or 12"},
		{Policy{Windows: year(1), Sliding: true}, "months do not slide"},
	} {
		if _, err := l.Rule(c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.p, err, c.want)
		}
	}
}

// The key may be a view of a buffer that is reused.
func TestKeysAreCopied(t *testing.T) {
	l := newLimiter(t, 0)
	r := mustRule(t, l, Policy{Windows: year(1)})
	buffer := []byte("abc")
	mustTake(t, r, unsafe.String(&buffer[0], 3))
	copy(buffer, "xyz")
	for i := range l.shards {
		for k, e := range l.shards[i].m {
			if k.key != "abc" || e.key != "abc" {
				t.Errorf("%+v", k)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { mustTake(t, r, "abc") }); n != 0 {
		t.Errorf("%v allocations for a known key", n)
	}
}

// Between the look-up of an entry and its lock the entry may be dropped: what
// is then counted on it would be lost.
func TestADroppedEntryIsLookedUpAgain(t *testing.T) {
	l := newLimiter(t, 0)
	r := mustRule(t, l, Policy{Windows: year(2)})
	old := l.entry(r, "k", time.Now().UnixMilli())
	old.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { mustTake(t, r, "k") })
	time.Sleep(20 * time.Millisecond) // it waits for the lock by now, most likely
	old.dead = true
	for i := range l.shards {
		l.shards[i].mu.Lock()
		clear(l.shards[i].m)
		l.shards[i].mu.Unlock()
	}
	old.mu.Unlock()
	wg.Wait()
	if n := takes(t, r, "k", 5); n != 1 {
		t.Errorf("%d more passed, want 1 of 2", n)
	}
}
