package cache

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// asking is what a request wants of Redis, over all its looks.
type asking struct {
	token string // of the lease that it wants; "": none, only what is stored
	take  bool   // the lease also where there is an entry
	known []byte // how the entry begins that it has seen already
	at    Key    // where that lies

	anyGeneration bool // also what was invalidated: the URI is not known
}

// want is what the script is told of it.
func (a *asking) want() string {
	switch {
	case a.token == "":
		return "entry"
	case a.take:
		return "lease"
	}
	return "either"
}

// told is what Redis says of a key.
type told struct {
	entry *Entry // a Response, nil for none and for what the caller knows already
	note  *Entry
	head  []byte // how entry begins
	at    Key    // where entry and lease lie
	claim claim
	left  time.Duration // that passing holds
	asked uint64        // number of the last ban

	generation uint64 // of the URI, 0 for none
	token      string // of the lease if it is the caller's
}

// headLength is how much of an encoded entry tells it from the one before it: its times
// are there.
const headLength = 32

// ofGeneration comes in a lease between the holder's token and the generation that its
// URI had: a lease from before an invalidation is none any more.
const ofGeneration = "@"

// getOrLease reads an entry and takes the lease of its key in one round trip. A lease
// that Redis has no memory for is none.
var getOrLease = redis.NewScript(`
local entry = false
if ARGV[4] == '' or redis.call('GETRANGE', KEYS[1], 0, #ARGV[4] - 1) ~= ARGV[4] then
	entry = redis.call('GET', KEYS[1])
end
local last = redis.call('HGET', KEYS[3], 'last') or '0'
local generation = redis.call('GET', KEYS[4])
local kind = entry and string.byte(entry, 2)
if ARGV[1] == 'entry' or kind == tonumber(ARGV[6]) or kind == tonumber(ARGV[5]) and ARGV[1] == 'either' then
	return {entry, '', 0, last, generation}
end
local held = redis.call('GET', KEYS[2])
local of = held and string.match(held, '@(.*)$')
if held and (not of or of == generation) then return {entry, held, redis.call('PTTL', KEYS[2]), last, generation} end
if not generation then
	generation = ARGV[7]
	if redis.pcall('SET', KEYS[4], generation, 'PX', ARGV[8]).err then return {entry, '?', 0, last, false} end
end
local token = ARGV[2] .. '@' .. generation
if redis.pcall('SET', KEYS[2], token, 'PX', ARGV[3]).err then return {entry, '?', 0, last, generation} end
return {entry, token, 0, last, generation}
`)

// fetch asks Redis, and keeps in memory what it finds. No Redis, one that fails, and
// one that is slow are all a miss without a lease.
func (sp *Space) fetch(ctx context.Context, q Query, a asking) told {
	if sp.client == nil {
		return told{claim: unknown}
	}
	before := sp.store.epochOf(q.URI)
	t := sp.look(ctx, q.Key, q.URI, a)
	if t.entry != nil && t.entry.Kind == VaryNote {
		note := t.entry
		sp.keep(before, q.URI, q.Key, note)
		t = sp.look(ctx, variantKey(q.Key, note, q.Request), q.URI, a)
		t.note = note
	}
	switch {
	case t.entry == nil:
	case t.entry.Kind == Response:
		sp.keep(before, q.URI, t.at, t.entry)
	default:
		t.entry = nil
	}
	return t
}

// look asks Redis about one key. What was purged there is not an entry any more.
func (sp *Space) look(ctx context.Context, k, uri Key, a asking) told {
	t := told{at: k, claim: unknown}
	known := a.known
	if a.at != k {
		known = nil
	}
	banned := sp.store.bans.last.Load()
	keys := []string{sp.redisKey(k), sp.leaseKey(k), sp.store.cfg.Prefix + bansKey, sp.generationKey(uri)}
	var said []any
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		said, err = getOrLease.Run(ctx, rdb, keys,
			a.want(), a.token, sp.store.leaseFor().Milliseconds(), known, int(Response), int(VaryNote),
			newGeneration(), goneFor.Milliseconds()).Slice()
		return err
	})
	if err != nil || len(said) != 5 {
		return t
	}
	last, _ := said[3].(string)
	t.asked, _ = strconv.ParseUint(last, 10, 64)
	generation, _ := said[4].(string)
	t.generation, _ = strconv.ParseUint(generation, 10, 64)
	if !sp.knows(ctx, t.asked) {
		return t
	}
	if raw, ok := said[0].(string); ok {
		// Not copied: it is this entry's alone.
		b := unsafe.Slice(unsafe.StringData(raw), len(raw))
		// What is another version's, damaged, banned or invalidated will be written over.
		if e, err := decode(b); err == nil && (e.Kind != Response || sp.holds(e, t.generation, a.anyGeneration)) {
			e.checked.Store(banned)
			t.entry, t.head = e, b[:min(len(b), headLength)]
		}
	}
	held, _ := said[1].(string)
	left, _ := said[2].(int64)
	t.left = time.Duration(left) * time.Millisecond
	t.claim, t.token = claimOf(held, a.token), held
	return t
}

// holds tells whether an entry of Redis was neither purged nor invalidated.
func (sp *Space) holds(e *Entry, generation uint64, any bool) bool {
	return (any || e.Generation == generation) && !sp.bans.hit(e, e.Asked)
}

func claimOf(held, token string) claim {
	if token != "" && strings.HasPrefix(held, token+ofGeneration) {
		return claimed
	}
	switch held {
	case "":
		return unclaimed
	case leasePass:
		return passing
	case leaseFailed:
		return failing
	case "?":
		return unknown
	}
	return awaited
}

func (sp *Space) redisKey(k Key) string { return sp.store.cfg.Prefix + k.String() }

// shareStored hands what the memory tier has by now to those who wait for the fill, which
// ends it: nil where that is of no use to q, or is old.
func (sp *Space) shareStored(q Query, f *Fill, old *Entry) *Entry {
	now, _ := sp.peek(q.Key, q.Request)
	if now == nil || now == old || now.Kind != Response || q.Judge(now) != Usable {
		return nil
	}
	f.share(now, q.Request, HitMemory)
	return now
}

// lead is the leader's part of Find: what Redis has, or the Fill. Where another replica
// fetches the resource, it waits for that.
func (sp *Space) lead(ctx context.Context, q Query, f *Fill, e *Entry) Found {
	// Between the first look and the lead another's flight may have ended.
	if now := sp.shareStored(q, f, e); now != nil {
		return Found{Entry: now, Outcome: HitMemory}
	}
	var a asking
	if sp.client != nil && !q.Alone && (e == nil || !e.NeedsOrigin()) {
		a.token = sp.store.token()
	}
	p := patience{until: f.flight.began.Add(sp.store.cfg.WaitFor * 4 / 5)}
	for {
		f.begin()
		t := sp.fetch(ctx, q, a)
		f.learn(t)
		if t.note != nil && t.at != f.at {
			f.move(t.at)
		}
		if t.entry != nil {
			e = t.entry
			a.known, a.at = t.head, t.at
			if found, ok := sp.answered(q, f, e, &p); ok {
				return found
			}
		}
		if e != nil && e.Kind == Response && q.Judge(e) == UsableBusy {
			return Found{Entry: e, Outcome: Stale, Fill: f}
		}
		if t.claim == unclaimed && !a.take {
			a.take = true
			continue
		}
		if t.claim == awaited && p.wait(ctx) {
			continue
		}
		if a.token != "" {
			sp.store.metrics.leaseEnded(t.claim, &p)
		}
		if t.claim == passing {
			f.pass(t.left)
		}
		return Found{Entry: e, Outcome: Miss, Fill: f}
	}
}

// answered is what a leader makes of an entry of Redis; ok is false where it, or what
// comes in its place, is worth a lease.
func (sp *Space) answered(q Query, f *Fill, e *Entry, p *patience) (found Found, ok bool) {
	switch verdict := q.Judge(e); {
	case verdict == Usable:
		outcome := HitRedis
		if p.waited() {
			outcome = Coalesced
			sp.store.metrics.leaseFollowed(p)
		}
		f.share(e, q.Request, outcome)
		return Found{Entry: e, Outcome: outcome}, true
	case verdict == Unusable && e.NeedsOrigin():
		if p.waited() {
			f.Part() // and so has all that those who wait here would get
		}
		return Found{Entry: e, Outcome: Miss, Fill: f}, true
	}
	return Found{}, false
}

// learn takes over what a look into Redis has brought.
func (f *Fill) learn(t told) {
	if t.note != nil {
		f.note = t.note
	}
	f.generation = t.generation
	f.asked = max(f.asked, t.asked)
	f.stale = f.stale || t.entry != nil
	f.hold = f.space.hold(t)
}

// Newer looks whether Redis has what another replica has fetched meanwhile, and hands
// it to those who wait: then Fill has ended. Else it takes the right to be the one
// replica that refreshes the resource; where another one has it, or has just failed,
// Fill has ended too.
func (f *Fill) Newer(ctx context.Context, q Query) (ended bool) {
	sp := f.space
	if sp.client == nil || f.hold != nil {
		return false
	}
	a := asking{token: sp.store.token()}
	p := patience{until: time.Now().Add(failedFor)}
	for {
		t := sp.fetch(ctx, q, a)
		f.learn(t)
		if t.entry != nil {
			a.known, a.at = t.head, t.at
			if q.Judge(t.entry) == Usable {
				f.share(t.entry, q.Request, HitRedis)
				return true
			}
		}
		if t.claim == claimed || t.claim == unknown {
			return false
		}
		if t.claim == awaited && strings.HasPrefix(t.token, sp.store.id+".") && p.wait(ctx) {
			continue // this replica's own, which is on its way to be given back
		}
		if t.claim != unclaimed || a.take {
			f.Refuse(false)
			return true
		}
		a.take = true
	}
}
