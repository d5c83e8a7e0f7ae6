package cache

import (
	"sync/atomic"
	"time"
)

// Fill is the right to store a response, and the duty to tell those who wait
// for it. Exactly one of Store, Refuse and Abandon counts, the first; the rest
// do nothing, so that a deferred Abandon is always safe.
type Fill struct {
	space  *Space
	key    Key // the resource's
	uri    Key
	at     Key // what the flight is known under
	target Key // where the response will lie
	note   *Entry
	fresh  *Entry // a VaryNote to store with the response
	stale  bool   // something is stored that may yet serve on an error
	flight *flight
	hold   *hold     // the lease for all replicas; nil: there is none
	epoch  epoch     // as it stood when the origin was asked,
	purged purgeMark // and this,
	asked  uint64    // and the last ban there,
	banned uint64    // and that of the store,

	generation uint64 // and that of the URI in Redis, 0 where it had none
	ended      atomic.Bool
}

// alone is a Fill that no other request waits for.
func (sp *Space) alone(q Query, note *Entry) *Fill {
	f := &Fill{space: sp, key: q.Key, uri: q.URI, at: q.Key, target: q.Key, note: note}
	f.begin()
	return f
}

// begin notes what must not change until the origin's answer is stored.
func (f *Fill) begin() {
	sp := f.space
	f.epoch, f.purged = sp.store.epochOf(f.uri), sp.seen.mark()
	f.asked, f.banned = sp.bans.last.Load(), sp.store.bans.last.Load()
}

// Part has those who wait go on by themselves: the response is stored, but is no
// answer to them.
func (f *Fill) Part() {
	f.release("", 0)
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
		f.fresh = &Entry{Kind: VaryNote, Nonce: note.Nonce, Generated: note.Generated, Vary: note.Vary, KeepUntil: e.KeepUntil}
	}
}

// Store stores e and hands it to those who wait. After a purge it only hands
// it on.
func (f *Fill) Store(e *Entry) {
	if !f.ended.CompareAndSwap(false, true) {
		return
	}
	s := f.space.store
	e.Asked, e.Generation = f.asked, f.generation
	if e.Generation == 0 {
		e.Generation = newGeneration()
	}
	e.checked.Store(f.banned)
	if s.epochOf(f.uri) == f.epoch && !s.bans.hit(e, f.banned) {
		if f.fresh != nil {
			f.space.keep(f.epoch, f.uri, f.key, f.fresh)
		}
		f.space.keep(f.epoch, f.uri, f.target, e)
		f.enqueue(e)
	} else {
		f.release("", 0)
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
	s := f.space.store
	switch {
	case lasting && !f.stale:
		if f.flight != nil {
			f.notePass(s.cfg.PassFor)
		}
		f.release(leasePass, s.cfg.PassFor)
	case f.stale: // refreshed behind answers: not again at once
		f.release(leaseFailed, s.leaseFor())
	default:
		f.release(leaseFailed, failedFor)
	}
	f.tell(uncacheable, nil)
}

// notePass has requests for the resource go by themselves.
func (f *Fill) notePass(long time.Duration) {
	pass := &Entry{Kind: PassNote, KeepUntil: time.Now().Add(long)}
	f.space.keep(f.epoch, f.uri, f.at, pass)
}

// pass is what another replica has found out: those who wait go by themselves, and so
// does the request of this Fill.
func (f *Fill) pass(long time.Duration) {
	if long > 0 && !f.stale {
		f.notePass(long)
	}
	f.tell(uncacheable, nil)
	f.flight = nil
}

// Abandon says that this request will bring no response, or not the whole of
// it: one of those who wait takes its place.
func (f *Fill) Abandon() {
	if f.ended.CompareAndSwap(false, true) {
		f.release("", 0)
		f.tell(abandoned, nil)
	}
}

// share hands on what was stored already, or what another replica has fetched.
func (f *Fill) share(e *Entry, request Headers, how Outcome) {
	f.ended.Store(true)
	f.target = e.under(f.key, request)
	f.release("", 0)
	if f.flight != nil {
		f.flight.how = how
	}
	f.tell(shared, e)
}

// move makes the request the leader of a variant: the others of the resource may wait
// for different ones.
func (f *Fill) move(at Key) {
	if f.flight == nil {
		return
	}
	f.tell(varies, nil)
	next, leader := f.space.store.flights.join(at, f.epoch)
	f.at, f.flight = at, next
	if !leader {
		f.flight = nil
	}
}

// release gives the lease back, without waiting for Redis.
func (f *Fill) release(mark string, long time.Duration) {
	h := f.hold
	if h == nil {
		return
	}
	f.hold = nil
	f.space.store.leases.drop(h)
	// Where the queue is full it ends by itself.
	f.space.store.writes.offer(writeJob{space: f.space, hold: h, mark: mark, long: long})
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
