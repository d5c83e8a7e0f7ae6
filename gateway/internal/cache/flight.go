package cache

import (
	"context"
	"sync"
	"time"
)

// flight is one fetch that several requests wait for.
type flight struct {
	began time.Time
	epoch epoch // what was asked for before an invalidation answers nobody after it
	done  chan struct{}
	ended ending
	entry *Entry  // for shared
	under Key     // where entry lies: tells a follower whether it is its variant
	how   Outcome // of those who wait, for shared: Coalesced, or where the leader found entry
}

type ending uint8

const (
	shared      ending = iota // entry is for every request that it fits
	uncacheable               // each must go by itself
	abandoned                 // the leader was lost: another may lead
	varies                    // the leader has learned so: each may wait for its variant
)

// flights are those under way. Only misses come here, so one lock will do.
type flights struct {
	mu sync.Mutex
	by map[Key]*flight
}

func newFlights() *flights { return &flights{by: map[Key]*flight{}} }

func (fs *flights) join(k Key, now epoch) (f *flight, leader bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f = fs.by[k]; f != nil && f.epoch == now {
		return f, false
	}
	f = &flight{began: time.Now(), epoch: now, done: make(chan struct{}), how: Coalesced}
	fs.by[k] = f
	return f, true
}

func (fs *flights) end(k Key, f *flight) {
	fs.mu.Lock()
	if fs.by[k] == f {
		delete(fs.by, k)
	}
	fs.mu.Unlock()
	close(f.done)
}

// detach makes later requests start anew: what is under way was asked for
// before a purge.
func (fs *flights) detach() {
	fs.mu.Lock()
	clear(fs.by)
	fs.mu.Unlock()
}

// attempts bounds how often a follower tries again after a lost leader.
const attempts = 3

// join makes the request the leader of its flight, or waits for the one there
// is.
func (sp *Space) join(ctx context.Context, q Query, at Key, e, note *Entry) Found {
	s := sp.store
	var timeout <-chan time.Time
	for range attempts {
		f, leader := s.flights.join(at, s.epochOf(q.URI))
		if leader {
			fill := sp.alone(q, note)
			fill.at = at
			fill.flight = f
			fill.stale = e != nil
			return sp.lead(ctx, q, fill, e)
		}
		if q.Alone || e != nil && e.Kind == Response && e.NeedsOrigin() {
			break
		}
		if e != nil && q.Judge(e) == UsableBusy {
			return Found{Entry: e, Outcome: Stale}
		}
		if timeout == nil {
			// Counted from the flight's beginning: behind a leader that hangs,
			// only those of the first WaitFor wait at all.
			timer := time.NewTimer(s.cfg.WaitFor - time.Since(f.began))
			defer timer.Stop()
			timeout = timer.C
		}
		s.waiting.Add(1)
		done := f.wait(ctx, timeout)
		s.waiting.Add(-1)
		if !done {
			return Found{Entry: e, Outcome: Miss, Fill: sp.alone(q, note)}
		}
		banned := f.ended == shared && s.bans.hit(f.entry, f.entry.checked.Load())
		if f.ended == varies {
			if e, note = sp.peek(q.Key, q.Request); note != nil {
				at = variantKey(q.Key, note, q.Request)
			}
			continue
		}
		if f.ended == shared && !banned && f.fits(q) {
			return Found{Entry: f.entry, Outcome: f.how}
		}
		if f.ended != abandoned && !banned {
			break
		}
	}
	return Found{Entry: e, Outcome: Miss, Fill: sp.alone(q, note)}
}

// wait waits for the end of the flight. It is false where that did not come in time.
func (f *flight) wait(ctx context.Context, timeout <-chan time.Time) bool {
	select {
	case <-f.done:
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// fits tells whether what the leader got answers q too.
func (f *flight) fits(q Query) bool {
	return f.entry.under(q.Key, q.Request) == f.under && q.Judge(f.entry) == Usable
}
