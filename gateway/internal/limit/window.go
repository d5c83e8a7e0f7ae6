package limit

import (
	"math"
	"time"
)

// MaxWindows is how many windows a rule may have.
const MaxWindows = 8

// Window is how many requests may pass in a length of time. Fixed windows of
// whole seconds begin at multiples of Size since 1970 (so a minute begins with
// the clock's minute), those of Months with the calendar's month, in UTC.
type Window struct {
	Limit  int64         // at least 1
	Size   time.Duration // length, whole seconds; unused when Months is set
	Months int           // 0, or the length in months: 1 or 12
	// Burst makes it a token bucket of that size, which gets Limit tokens back in
	// every Size, evenly; 0: a window.
	Burst int64
}

// Calendar gives the windows of Kong's rate-limiting in its order: second,
// minute, hour, day, month, year. A limit of 0 has no window.
func Calendar(limits [6]int64) []Window {
	shapes := [6]Window{
		{Size: time.Second}, {Size: time.Minute}, {Size: time.Hour}, {Size: 24 * time.Hour}, {Months: 1}, {Months: 12},
	}
	var ws []Window
	for i, n := range limits {
		if n > 0 {
			shapes[i].Limit = n
			ws = append(ws, shapes[i])
		}
	}
	return ws
}

// appendName appends the window's length as it is part of a name in Redis.
func (w *Window) appendName(b []byte) []byte {
	if w.Months > 0 {
		return append(appendInt(b, int64(w.Months)), 'm')
	}
	b = append(appendInt(b, int64(w.Size/time.Second)), 's')
	if w.Burst > 0 {
		b = append(b, 'b')
	}
	return b
}

// bounds gives the window that now (Unix milliseconds) is in: its first
// millisecond, and the next one's.
func (w *Window) bounds(now int64) (start, end int64) {
	if w.Months == 0 {
		size := w.Size.Milliseconds()
		start = now - now%size
		return start, start + size
	}
	t := time.UnixMilli(now).UTC()
	month := t.Month()
	if w.Months == 12 {
		month = time.January
	}
	first := time.Date(t.Year(), month, 1, 0, 0, 0, 0, time.UTC)
	return first.UnixMilli(), first.AddDate(0, w.Months, 0).UnixMilli()
}

// counter is what is known of one window of one key: the current window and,
// for sliding windows, the one before it. Times are Unix milliseconds.
type counter struct {
	start, end int64
	cur, prev  int64
	// Not yet told to Redis, of cur and of prev; periodic mode only.
	delta, prevDelta int64
}

// roll brings the counter to the window that now is in. A clock that was set
// back by less than a window changes nothing.
func (c *counter) roll(w *Window, now int64) {
	if w.Burst > 0 {
		w.rollBucket(c, now)
		return
	}
	if now < c.end && now >= c.start-(c.end-c.start) {
		return
	}
	start, end := w.bounds(now)
	next := counter{start: start, end: end}
	if start == c.end {
		next.prev, next.prevDelta = c.cur, c.delta
	}
	*c = next
}

// left is how many more requests may pass now: for a sliding window the limit
// less the current count less the share of the previous window that the last
// Size of time still covers. It may be below zero.
func (c *counter) left(w *Window, sliding bool, now int64) int64 {
	if w.Burst > 0 {
		return w.tokens(c, now)
	}
	if !sliding {
		return w.Limit - c.cur
	}
	return int64(math.Floor(float64(w.Limit) - float64(c.cur) - float64(c.prev)*c.weight(now)))
}

// weight is the share of the previous window that counts at now.
func (c *counter) weight(now int64) float64 {
	return min(1, max(0, float64(c.end-now)/float64(c.end-c.start)))
}

// freeAt is the earliest time at which one more may pass if no other request takes
// it: no request can be granted before, however others behave.
func (c *counter) freeAt(w *Window, sliding bool, now int64) int64 {
	if w.Burst > 0 {
		return w.filledTo(c, float64(w.Burst-1)*tokenUnit, now)
	}
	if !sliding {
		if c.cur < w.Limit {
			return now
		}
		return c.end
	}
	size := float64(c.end - c.start)
	if room := w.Limit - 1 - c.cur; room >= 0 {
		if c.prev <= room {
			return now
		}
		return max(now, c.start+int64(math.Ceil((1-float64(room)/float64(c.prev))*size)))
	}
	return c.end + int64(math.Ceil(max(0, 1-float64(w.Limit-1)/float64(c.cur))*size))
}
