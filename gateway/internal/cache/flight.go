package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// flight is one fetch that several requests wait for.
type flight struct {
	began time.Time
	epoch epoch // what was asked for before an invalidation answers nobody after it
	done  chan struct{}
	ended ending
	entry *Entry // for shared
	under Key    // where entry lies: tells a follower whether it is its variant
}

type ending uint8

const (
	shared      ending = iota // entry is for every request that it fits
	uncacheable               // each must go by itself
	abandoned                 // the leader was lost: another may lead
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
	f = &flight{began: time.Now(), epoch: now, done: make(chan struct{})}
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
		f, leader := s.flights.join(at, s.epochOf(q.Key))
		if leader {
			fill := sp.alone(q.Key, note)
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
		select {
		case <-f.done:
		case <-timeout:
			return Found{Entry: e, Outcome: Miss, Fill: sp.alone(q.Key, note)}
		case <-ctx.Done():
			return Found{Entry: e, Outcome: Miss, Fill: sp.alone(q.Key, note)}
		}
		if f.ended == shared && f.fits(q) {
			return Found{Entry: f.entry, Outcome: Coalesced}
		}
		if f.ended != abandoned {
			break
		}
	}
	return Found{Entry: e, Outcome: Miss, Fill: sp.alone(q.Key, note)}
}

// fits tells whether what the leader got answers q too.
func (f *flight) fits(q Query) bool {
	return f.entry.under(q.Key, q.Request) == f.under && q.Judge(f.entry) == Usable
}

// Fill is the right to store a response, and the duty to tell those who wait
// for it. Exactly one of Store, Refuse and Abandon counts, the first; the rest
// do nothing, so that a deferred Abandon is always safe.
type Fill struct {
	space  *Space
	key    Key // the resource's
	at     Key // what the flight is known under
	target Key // where the response will lie
	note   *Entry
	fresh  *Entry // a VaryNote to store with the response
	stale  bool   // something is stored that may yet serve on an error
	flight *flight
	epoch  epoch     // as it stood when the origin was asked,
	purged purgeMark // and this,
	gone   uint64    // and what lay in the resource's place in Redis
	ended  atomic.Bool
}

// alone is a Fill that no other request waits for.
func (sp *Space) alone(key Key, note *Entry) *Fill {
	return &Fill{space: sp, key: key, at: key, target: key, note: note, epoch: sp.store.epochOf(key), purged: sp.seen.mark()}
}

// Newer looks whether Redis has what another replica has fetched meanwhile, and hands
// it to those who wait: then Fill has ended. Else it takes the right to be the one
// replica that refreshes the resource, for as long as a lease; where another one has
// it, Fill has ended too.
func (f *Fill) Newer(ctx context.Context, q Query) (ended bool) {
	e, note, gone := f.space.fetch(ctx, q)
	if e != nil && q.Judge(e) == Usable {
		f.share(e, q.Request)
		return true
	}
	if note != nil {
		f.note = note
	}
	f.gone = gone
	if f.space.lease(ctx, f.at) {
		return false
	}
	f.Refuse(false)
	return true
}

// Part has those who wait go on by themselves: the response is stored, but is no
// answer to them.
func (f *Fill) Part() {
	f.tell(uncacheable, nil)
	f.flight = nil
}

// Aim settles under which key a response will be stored, from its Vary fields
// (in e, set by Policy.Judge) and the request's. It must be called before
// Store, while the request's headers are still there.
func (f *Fill) Aim(e *Entry, request Headers) {
	if f.note == nil && len(e.Vary) == 0 {
		return
	}
	note := f.note
	if note == nil || !contains(note.Vary, e.Vary) {
		note = newVaryNote(note, e.Vary)
	}
	e.Vary, e.Nonce = note.Vary, note.Nonce
	f.target = variantKey(f.key, note, request)
	// The note must live as long as the longest of its variants.
	if note != f.note || note.KeepUntil.Before(e.KeepUntil) {
		again := *note
		again.KeepUntil = e.KeepUntil
		f.fresh = &again
	}
}

// Store stores e and hands it to those who wait. After a purge it only hands
// it on.
func (f *Fill) Store(e *Entry) {
	if !f.ended.CompareAndSwap(false, true) {
		return
	}
	s := f.space.store
	if s.epochOf(f.key) == f.epoch {
		if f.fresh != nil {
			f.space.keep(f.epoch, f.key, f.key, f.fresh)
			f.enqueue(f.key, f.fresh)
		}
		f.space.keep(f.epoch, f.key, f.target, e)
		f.enqueue(f.target, e)
	}
	f.tell(shared, e)
}

// Refuse says that the response is not to be stored: those who wait go on by
// themselves. If lasting, no request waits for this resource for a while: it is of
// a kind that is not cacheable, not just an error of the moment.
func (f *Fill) Refuse(lasting bool) {
	if !f.ended.CompareAndSwap(false, true) {
		return
	}
	if lasting && f.flight != nil && !f.stale {
		pass := &Entry{Kind: PassNote, KeepUntil: time.Now().Add(f.space.store.cfg.PassFor)}
		f.space.keep(f.epoch, f.key, f.at, pass)
	}
	f.tell(uncacheable, nil)
}

// Abandon says that this request will bring no response, or not the whole of
// it: one of those who wait takes its place.
func (f *Fill) Abandon() {
	if f.ended.CompareAndSwap(false, true) {
		f.tell(abandoned, nil)
	}
}

// share hands on what another replica had stored.
func (f *Fill) share(e *Entry, request Headers) {
	f.ended.Store(true)
	f.target = e.under(f.key, request)
	f.tell(shared, e)
}

func (f *Fill) tell(how ending, e *Entry) {
	if f.flight == nil {
		return
	}
	f.flight.ended = how
	f.flight.entry = e
	f.flight.under = f.target
	f.space.store.flights.end(f.at, f.flight)
}
