package limit

import (
	"testing"
	"time"
)

func at(s string) int64 {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		why             string
		window          Window
		now, start, end string
	}{
		{"a minute begins with the clock's", Window{Size: time.Minute}, "2026-02-03T10:11:59Z", "2026-02-03T10:11:00Z", "2026-02-03T10:12:00Z"},
		{"the first instant belongs to the window", Window{Size: time.Minute}, "2026-02-03T10:12:00Z", "2026-02-03T10:12:00Z", "2026-02-03T10:13:00Z"},
		{"a day is UTC's", Window{Size: 24 * time.Hour}, "2026-02-03T23:30:00-05:00", "2026-02-04T00:00:00Z", "2026-02-05T00:00:00Z"},
		{"February in a common year", Window{Months: 1}, "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"February in a leap year", Window{Months: 1}, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"December", Window{Months: 1}, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"a year", Window{Months: 12}, "2026-07-01T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"a size of its own counts from 1970", Window{Size: 7 * time.Second}, "1970-01-01T00:00:15Z", "1970-01-01T00:00:14Z", "1970-01-01T00:00:21Z"},
	} {
		start, end := c.window.bounds(at(c.now))
		if start != at(c.start) || end != at(c.end) {
			t.Errorf("%s: %s to %s", c.why, time.UnixMilli(start).UTC(), time.UnixMilli(end).UTC())
		}
	}
}

func TestCounter(t *testing.T) {
	w := Window{Limit: 10, Size: 10 * time.Second}
	for _, c := range []struct {
		why        string
		cur, prev  int64
		sliding    bool
		now        int64 // ms after the window's start
		left, free int64 // free in ms after the window's start
	}{
		{"fixed, untouched", 0, 9, false, 1000, 10, 1000},
		{"fixed, one left", 9, 9, false, 1000, 1, 1000},
		{"fixed, full until the end", 10, 0, false, 1000, 0, 10000},
		{"sliding: all of the previous window counts at the start", 0, 10, true, 0, 0, 1000},
		{"half of it in the middle", 0, 10, true, 5000, 5, 5000},
		{"parts of a request are no room", 1, 10, true, 1999, 0, 2000},
		{"the next comes free as the previous fades", 5, 10, true, 3000, -2, 6000},
		{"the current window alone is full: the next one opens late", 10, 0, true, 5000, 0, 11000},
		{"full twice over cannot be, but is safe", 20, 0, true, 5000, -10, 15500},
		{"limit reached exactly with the previous window over", 9, 10, true, 9999, 0, 10000},
	} {
		k := counter{start: 0, end: 10000, cur: c.cur, prev: c.prev}
		if got := k.left(&w, c.sliding, c.now); got != c.left {
			t.Errorf("%s: %d left, want %d", c.why, got, c.left)
		}
		if got := k.freeAt(&w, c.sliding, c.now); got != c.free {
			t.Errorf("%s: free at %d, want %d", c.why, got, c.free)
		}
	}
}

// freeAt must never be later than the first moment with room: requests are
// refused unasked until then.
func TestFreeAtIsTheFirstMomentWithRoom(t *testing.T) {
	for limit := int64(1); limit <= 6; limit++ {
		w := Window{Limit: limit, Size: time.Second}
		for cur := int64(0); cur <= limit; cur++ {
			for prev := int64(0); prev <= limit; prev++ {
				for now := int64(0); now < 1000; now += 90 {
					k := counter{start: 0, end: 1000, cur: cur, prev: prev}
					free := k.freeAt(&w, true, now)
					for ms := now; ; ms++ {
						later := k
						later.roll(&w, ms)
						room := later.left(&w, true, ms) >= 1
						if room && ms < free {
							t.Fatalf("limit %d cur %d prev %d now %d: room at %d, free at %d", limit, cur, prev, now, ms, free)
						}
						if room {
							if ms > free+1 {
								t.Fatalf("limit %d cur %d prev %d now %d: free at %d, but room only at %d", limit, cur, prev, now, free, ms)
							}
							break
						}
					}
				}
			}
		}
	}
}

func TestRollKeepsThePreviousWindowOnlyWhenItIsNext(t *testing.T) {
	w := Window{Limit: 5, Size: time.Second}
	k := counter{}
	k.roll(&w, 10_500)
	k.cur, k.delta = 3, 2
	next := k
	next.roll(&w, 11_000)
	if next.prev != 3 || next.prevDelta != 2 || next.cur != 0 || next.start != 11_000 {
		t.Errorf("one window on: %+v", next)
	}
	gap := k
	gap.roll(&w, 12_000)
	if gap.prev != 0 || gap.cur != 0 {
		t.Errorf("two windows on: %+v", gap)
	}
	back := k
	back.roll(&w, 9_999)
	if back.cur != 3 {
		t.Errorf("a clock set back a little lost the count: %+v", back)
	}
	back.roll(&w, 5_000)
	if back.start != 5_000 || back.cur != 0 {
		t.Errorf("a clock set back far keeps the old window: %+v", back)
	}
}
