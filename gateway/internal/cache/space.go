package cache

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// Headers are a request's or response's header fields; fasthttp's headers
// satisfy it.
type Headers interface {
	// PeekAll returns the values of a field, nil without one. They are valid
	// until the next call.
	PeekAll(name string) [][]byte
}

// Space is how a plugin sees the store. See Store.Space.
type Space struct {
	store  *Store
	client *redisconn.Client  // nil: memory only
	cancel context.CancelFunc // ends the subscription to purges
	seen   lastPurge
	stands chan struct{} // closed when the subscription to purges stands for the first time
	hears  atomic.Bool   // the same
	once   sync.Once     // for stands
	early  atomic.Bool   // something was put into memory before that

	bans    *bans      // that its Redis has
	banning sync.Mutex // held to learn of more
}

// Client is the Redis behind the space, nil for none.
func (sp *Space) Client() *redisconn.Client { return sp.client }

// Verdict is what a request thinks of a stored response.
type Verdict uint8

// The verdicts.
const (
	Unusable   Verdict = iota
	UsableBusy         // stale, but good enough while another request refreshes it
	Usable
)

// Query is one look-up.
type Query struct {
	Key     Key
	URI     Key // of what is invalidated together
	Request Headers
	// Judge says whether this request may be answered with e, a Response.
	Judge func(e *Entry) Verdict
	// OnlyStored asks for what is stored and nothing else: Found.Fill is nil.
	OnlyStored bool
	// Alone asks for a Fill at once: what another request's fetch brings is no
	// answer to this one.
	Alone bool
}

// Found is a look-up's answer. When Entry may be used, Fill is nil. Otherwise
// Entry, if any, is one that did not please Judge (it may serve to revalidate,
// or on an error), and the request must go to the origin and end Fill. With the
// outcome Stale both are there for one request: Entry answers it, and the caller must
// see to it that it is refreshed and Fill ended.
type Found struct {
	Entry   *Entry
	Outcome Outcome // HitMemory, HitRedis, Stale, Coalesced or Miss
	Fill    *Fill
	Varies  bool // other variants of the resource may be stored
	Renewed bool // for Coalesced: what was stored did not serve
}

// Peek looks into the memory tier only, and allocates nothing for a resource
// that does not vary. It returns nil where there is no Response for this
// request.
func (sp *Space) Peek(key Key, request Headers) *Entry {
	e, _ := sp.peek(key, request)
	if e == nil || e.Kind != Response {
		return nil
	}
	return e
}

// peek also returns the resource's VaryNote, and the entry may be a PassNote.
func (sp *Space) peek(key Key, request Headers) (e, note *Entry) {
	e = sp.store.recall(key)
	if e != nil && e.Kind == VaryNote {
		note = e
		e = sp.store.recall(variantKey(key, note, request))
	}
	return e, note
}

// Find looks into memory and Redis, and joins simultaneous misses of one
// resource: the first becomes the leader, whose Fill the others wait for, at
// most Config.WaitFor. It may block for as long as that.
func (sp *Space) Find(ctx context.Context, q Query) Found {
	e, note := sp.peek(q.Key, q.Request)
	if e != nil && e.Kind == Response && q.Judge(e) == Usable {
		return Found{Entry: e, Outcome: HitMemory}
	}
	if q.OnlyStored {
		return sp.stored(ctx, q, e, note)
	}
	if e != nil && e.Kind == PassNote {
		return Found{Outcome: Miss, Fill: sp.alone(q, note), Varies: note != nil}
	}
	at := q.Key
	if note != nil {
		at = variantKey(q.Key, note, q.Request)
	}
	found := sp.join(ctx, q, at, e, note)
	found.Renewed = e != nil
	found.Varies = note != nil || found.Fill != nil && found.Fill.note != nil
	return found
}

// Refresh is the Fill of a request that has been answered with something stale,
// nil where another one refreshes it already, or has just done so. It does not block;
// see Fill.Newer.
func (sp *Space) Refresh(q Query) *Fill {
	e, note := sp.peek(q.Key, q.Request)
	at := q.Key
	if note != nil {
		at = variantKey(q.Key, note, q.Request)
	}
	f, leader := sp.store.flights.join(at, sp.store.epochOf(q.URI))
	if !leader {
		return nil
	}
	fill := sp.alone(q, note)
	fill.at, fill.flight = at, f
	fill.stale = e != nil
	// Between the caller's look and the lead another's refresh may have ended.
	if sp.shareStored(q, fill, nil) != nil {
		return nil
	}
	return fill
}

// Fill is one that no other request waits for, outside of any look-up. What comes in the
// place of old is purged by what would have purged that.
func (sp *Space) Fill(q Query, old *Entry) *Fill {
	_, note := sp.peek(q.Key, q.Request)
	f := sp.alone(q, note)
	f.generation = old.Generation
	f.asked, f.banned = old.Asked, old.checked.Load()
	return f
}

// stored answers a query that wants no origin.
func (sp *Space) stored(ctx context.Context, q Query, e, note *Entry) Found {
	t := sp.fetch(ctx, q, asking{})
	if t.entry != nil {
		e = t.entry
		if q.Judge(e) == Usable {
			return Found{Entry: e, Outcome: HitRedis}
		}
	}
	if e != nil && e.Kind != Response {
		e = nil
	}
	return Found{Entry: e, Outcome: Miss, Varies: note != nil || t.note != nil}
}

// keep puts e, of the URI of, into memory under k unless of was purged or invalidated
// since before.
func (sp *Space) keep(before epoch, of, k Key, e *Entry) {
	s := sp.store
	if s.epochOf(of) != before {
		return
	}
	if e.Kind == Response {
		e.state = s.uris.of(of)
		e.seen = e.state.count.Load()
	}
	heard := sp.client == nil || sp.hears.Load()
	if !heard {
		sp.early.Store(true)
	}
	s.memory.put(k, e)
	// A purge between the look and the put would have missed the entry, and so would catchUp.
	if s.epochOf(of) != before || !heard && sp.hears.Load() {
		s.memory.drop(k)
	}
}
