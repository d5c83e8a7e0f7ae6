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
		name            string
		window          Window
		now, start, end string
	}{
		{name: "a minute begins with the clock's", window: Window{Size: time.Minute}, now: "2026-02-03T10:11:59Z",
			start: "2026-02-03T10:11:00Z", end: "2026-02-03T10:12:00Z"},
		{name: "the first instant belongs to the window", window: Window{Size: time.Minute}, now: "2026-02-03T10:12:00Z",
			start: "2026-02-03T10:12:00Z", end: "2026-02-03T10:13:00Z"},
		{name: "a day is UTC's", window: Window{Size: 24 * time.Hour}, now: "2026-02-03T23:30:00-05:00", start: "2026-02-04T00:00:00Z",
			end: "2026-02-05T00:00:00Z"},
		{name: "February in a common year", window: Window{Months: 1}, now: "2026-02-28T23:59:59Z", start: "2026-02-01T00:00:00Z",
			end: "2026-03-01T00:00:00Z"},
		{name: "February in a leap year", window: Window{Months: 1}, now: "2028-02-29T12:00:00Z", start: "2028-02-01T00:00:00Z",
			end: "2028-03-01T00:00:00Z"},
		{name: "December", window: Window{Months: 1}, now: "2026-12-31T23:59:59Z", start: "2026-12-01T00:00:00Z",
			end: "2027-01-01T00:00:00Z"},
		{name: "a year", window: Window{Months: 12}, now: "2026-07-01T00:00:00Z", start: "2026-01-01T00:00:00Z",
			end: "2027-01-01T00:00:00Z"},
		{name: "a size of its own counts from 1970", window: Window{Size: 7 * time.Second}, now: "1970-01-01T00:00:15Z",
			start: "1970-01-01T00:00:14Z", end: "1970-01-01T00:00:21Z"},
	} {
		start, end := c.window.bounds(at(c.now))
		if start != at(c.start) || end != at(c.end) {
			t.Errorf("%s: %s to %s", c.name, time.UnixMilli(start).UTC(), time.UnixMilli(end).UTC())
		}
	}
}

func TestCounter(t *testing.T) {
	w := Window{Limit: 10, Size: 10 * time.Second}
	for _, c := range []struct {
		name       string
		cur, prev  int64
		sliding    bool
		now        int64 // ms after the window's start
		left, free int64 // free in ms after the window's start
	}{
		{name: "fixed, untouched", prev: 9, now: 1000, left: 10, free: 1000},
		{name: "fixed, one left", cur: 9, prev: 9, now: 1000, left: 1, free: 1000},
		{name: "fixed, full until the end", cur: 10, now: 1000, free: 10000},
		{name: "sliding: all of the previous window counts at the start", prev: 10, sliding: true, free: 1000},
		{name: "half of it in the middle", prev: 10, sliding: true, now: 5000, left: 5, free: 5000},
		{name: "parts of a request are no room", cur: 1, prev: 10, sliding: true, now: 1999, free: 2000},
		{name: "the next comes free as the previous fades", cur: 5, prev: 10, sliding: true, now: 3000, left: -2, free: 6000},
		{name: "the current window alone is full: the next one opens late", cur: 10, sliding: true, now: 5000, free: 11000},
		{name: "full twice over cannot be, but is safe", cur: 20, sliding: true, now: 5000, left: -10, free: 15500},
		{name: "limit reached exactly with the previous window over", cur: 9, prev: 10, sliding: true, now: 9999, free: 10000},
	} {
		k := counter{start: 0, end: 10000, cur: c.cur, prev: c.prev}
		if got := k.left(&w, c.sliding, c.now); got != c.left {
			t.Errorf("%s: %d left, want %d", c.name, got, c.left)
		}
		if got := k.freeAt(&w, c.sliding, c.now); got != c.free {
			t.Errorf("%s: free at %d, want %d", c.name, got, c.free)
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
