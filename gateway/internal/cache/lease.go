package cache

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A lease is one replica's right to fetch what lies under a key, for all replicas that
// share a Redis. It lies there beside the entry and holds its holder's token. A holder
// that ends without an entry leaves, for a while, why that is so:
const (
	leaseSuffix = ":lease"
	leasePass   = "-" // the answer is not cacheable: each request goes by itself
	leaseFailed = "!" // it was an error, or no answer to others: each replica goes by itself
)

// failedFor is how long a fetch that brought nothing for others is remembered: long
// enough for all who wait to see it.
const failedFor = 5 * pollMost

// mostLease bounds how long those who wait go on after their leader's replica died.
const mostLease = 2 * time.Second

// leaseFor is how long a lease lives without its holder's renewal. Two of them leave a
// request time to take over from a dead leader before its own wait ends.
func (s *Store) leaseFor() time.Duration { return min(mostLease, s.cfg.WaitFor*2/5) }

// pollFirst and pollMost are the shortest and the longest pause between two looks at a
// lease of another replica. Pauses double: a wait is prolonged by as long as it was, or
// by pollMost.
const (
	pollFirst = 2 * time.Millisecond
	pollMost  = 50 * time.Millisecond
)

// claim is what a look into Redis says of a lease.
type claim uint8

const (
	unclaimed claim = iota // there is an entry, and no lease was asked for
	claimed                // it is the caller's
	awaited                // it is another fill's
	passing                // leasePass
	failing                // leaseFailed
	unknown                // Redis did not say, or cannot keep one
)

// hold is a lease that this store has.
type hold struct {
	space *Space
	key   Key
	token string
	began time.Time
}

// leases are those that are held now, for renewal.
type leases struct {
	mu       sync.Mutex
	held     map[*hold]struct{}
	renewing bool
	count    uint64
}

func newLeases() *leases { return &leases{held: map[*hold]struct{}{}} }

// token names a lease that is yet to be taken.
func (s *Store) token() string {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	s.leases.count++
	return s.id + "." + strconv.FormatUint(s.leases.count, 36)
}

// hold is the lease that a look has brought, nil for none. It is renewed until it is dropped.
func (sp *Space) hold(t told) *hold {
	if t.claim != claimed {
		return nil
	}
	s := sp.store
	h := &hold{space: sp, key: t.at, token: t.token, began: time.Now()}
	s.leases.mu.Lock()
	s.leases.held[h] = struct{}{}
	start := !s.leases.renewing
	s.leases.renewing = true
	s.leases.mu.Unlock()
	if !start {
		return h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Go(s.renewLeases)
	}
	return h
}

func (l *leases) drop(h *hold) {
	l.mu.Lock()
	delete(l.held, h)
	l.mu.Unlock()
}

// due are the leases to renew, by space: not those of fetches that are short, nor those
// that others have waited for long enough. ok is false where no lease is held.
func (l *leases) due(now time.Time, young, old time.Duration) (by map[*Space][]*hold, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	by = map[*Space][]*hold{}
	for h := range l.held {
		switch age := now.Sub(h.began); {
		case age >= old:
			delete(l.held, h)
		case age >= young:
			by[h.space] = append(by[h.space], h)
		}
	}
	l.renewing = len(l.held) > 0
	return by, l.renewing
}

// renewLeases runs while leases are held.
func (s *Store) renewLeases() {
	every := s.leaseFor() / 4
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		by, ok := s.leases.due(time.Now(), every, s.cfg.WaitFor)
		for sp, holds := range by {
			for some := range slices.Chunk(holds, mostRenewed) {
				sp.renew(s.ctx, some)
			}
		}
		if !ok {
			return
		}
	}
}

// mostRenewed bounds how long Redis is busy with one renewal.
const mostRenewed = 200

var renewHeld = redis.NewScript(`
for i, key in ipairs(KEYS) do
	if redis.call('GET', key) == ARGV[i + 1] then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 1
`)

// renew makes leases live on. What Redis is not told of ends by itself.
func (sp *Space) renew(ctx context.Context, holds []*hold) {
	keys := make([]string, len(holds))
	args := make([]any, 1, len(holds)+1)
	args[0] = sp.store.leaseFor().Milliseconds()
	for i, h := range holds {
		keys[i] = sp.leaseKey(h.key)
		args = append(args, h.token)
	}
	_ = sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return renewHeld.Run(ctx, rdb, keys, args...).Err()
	})
}

var releaseHeld = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' or redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]).err then redis.call('DEL', KEYS[1]) end
return 1
`)

// release ends a lease that brought no entry; mark says why, "" that another may have it.
func (h *hold) release(ctx context.Context, mark string, long time.Duration) {
	sp := h.space
	_ = sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return releaseHeld.Run(ctx, rdb, []string{sp.leaseKey(h.key)}, h.token, mark, long.Milliseconds()).Err()
	})
}

func (sp *Space) leaseKey(k Key) string { return sp.redisKey(k) + leaseSuffix }

// patience is a request's wait for other replicas' leases.
type patience struct {
	began time.Time // zero: it has not waited
	until time.Time
	pause time.Duration
}

// wait pauses before another look. It is false where the time is over.
func (p *patience) wait(ctx context.Context) bool {
	now := time.Now()
	if p.began.IsZero() {
		p.began, p.pause = now, pollFirst
	}
	if now.Add(p.pause).After(p.until) {
		return false
	}
	timer := time.NewTimer(p.pause)
	defer timer.Stop()
	p.pause = min(2*p.pause, pollMost)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *patience) waited() bool { return !p.began.IsZero() }
