package cache

import (
	"context"
	"strconv"
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
	gone  uint64 // Nonce of what lies in the place of a resource that was invalidated
	head  []byte // how entry begins
	at    Key    // where entry and lease lie
	claim claim
	left  time.Duration // that passing holds
	asked uint64        // number of the last ban
}

// headLength is how much of an encoded entry tells it from the one before it: its times
// are there.
const headLength = 32

// getOrLease reads an entry and takes the lease of its key in one round trip. A lease
// that Redis has no memory for is none.
var getOrLease = redis.NewScript(`
local entry = false
if ARGV[4] == '' or redis.call('GETRANGE', KEYS[1], 0, #ARGV[4] - 1) ~= ARGV[4] then
	entry = redis.call('GET', KEYS[1])
end
local last = redis.call('HGET', KEYS[3], 'last') or '0'
local kind = entry and string.byte(entry, 2)
if ARGV[1] == 'entry' or kind == tonumber(ARGV[6]) or kind == tonumber(ARGV[5]) and ARGV[1] == 'either' then
	return {entry, '', 0, last}
end
local held = redis.call('GET', KEYS[2])
if held then return {entry, held, redis.call('PTTL', KEYS[2]), last} end
if redis.pcall('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]).err then return {entry, '?', 0, last} end
return {entry, ARGV[2], 0, last}
`)

// fetch asks Redis, and keeps in memory what it finds. No Redis, one that fails, and
// one that is slow are all a miss without a lease.
func (sp *Space) fetch(ctx context.Context, q Query, a asking) told {
	if sp.client == nil {
		return told{claim: unknown}
	}
	before := sp.store.epochOf(q.Key)
	t := sp.look(ctx, q.Key, a)
	if t.entry != nil && t.entry.Kind == VaryNote {
		note := t.entry
		sp.keep(before, q.Key, q.Key, note)
		t = sp.look(ctx, variantKey(q.Key, note, q.Request), a)
		t.note = note
	}
	switch {
	case t.entry == nil:
	case t.entry.Kind == Response:
		sp.keep(before, q.Key, t.at, t.entry)
	case t.entry.Kind == Gone && t.note == nil:
		t.gone = t.entry.Nonce
		t.entry = nil
	default:
		t.entry = nil
	}
	return t
}

// look asks Redis about one key. What was purged there is not an entry any more.
func (sp *Space) look(ctx context.Context, k Key, a asking) told {
	t := told{at: k, claim: unknown}
	known := a.known
	if a.at != k {
		known = nil
	}
	banned := sp.store.bans.last.Load()
	var said []any
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		said, err = getOrLease.Run(ctx, rdb, []string{sp.redisKey(k), sp.leaseKey(k), sp.store.cfg.Prefix + bansKey},
			a.want(), a.token, sp.store.leaseFor().Milliseconds(), known, int(Response), int(VaryNote)).Slice()
		return err
	})
	if err != nil || len(said) != 4 {
		return t
	}
	last, _ := said[3].(string)
	t.asked, _ = strconv.ParseUint(last, 10, 64)
	if !sp.knows(ctx, t.asked) {
		return t
	}
	if raw, ok := said[0].(string); ok {
		// Not copied: it is this entry's alone.
		b := unsafe.Slice(unsafe.StringData(raw), len(raw))
		// What is another version's, banned or damaged will be written over.
		if e, err := decode(b); err == nil && !(e.Kind == Response && sp.bans.hit(e, e.Asked)) {
			e.checked.Store(banned)
			t.entry, t.head = e, b[:min(len(b), headLength)]
		}
	}
	held, _ := said[1].(string)
	left, _ := said[2].(int64)
	t.left = time.Duration(left) * time.Millisecond
	t.claim = claimOf(held, a.token)
	return t
}

func claimOf(held, token string) claim {
	switch held {
	case "":
		return unclaimed
	case token:
		return claimed
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

// lead is the leader's part of Find: what Redis has, or the Fill. Where another replica
// fetches the resource, it waits for that.
func (sp *Space) lead(ctx context.Context, q Query, f *Fill, e *Entry) Found {
	// Between the first look and the lead another's flight may have ended.
	if now, _ := sp.peek(q.Key, q.Request); now != nil && now != e && now.Kind == Response && q.Judge(now) == Usable {
		f.share(now, q.Request, HitMemory)
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
		f.learn(t, a.token)
		if t.entry != nil {
			e = t.entry
			a.known, a.at = t.head, t.at
			if found, ok := sp.answered(q, f, e, &p); ok {
				return found
			}
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
	case verdict == UsableBusy:
		return Found{Entry: e, Outcome: Stale, Fill: f}, true
	case e.NeedsOrigin():
		if p.waited() {
			f.Part() // and so has all that those who wait here would get
		}
		return Found{Entry: e, Outcome: Miss, Fill: f}, true
	}
	return Found{}, false
}

// learn takes over what a look into Redis has brought.
func (f *Fill) learn(t told, token string) {
	if t.note != nil {
		f.note = t.note
	}
	f.gone = t.gone
	f.asked = max(f.asked, t.asked)
	f.stale = f.stale || t.entry != nil
	f.hold = f.space.hold(t, token)
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
	for {
		t := sp.fetch(ctx, q, a)
		f.learn(t, a.token)
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
		if t.claim != unclaimed || a.take {
			f.Refuse(false)
			return true
		}
		a.take = true
	}
}
