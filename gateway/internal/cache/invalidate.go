package cache

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/redis/go-redis/v9"
)

// An invalidation (RFC 9111, 4.4) is a purge of a URI that comes with the traffic: it must
// not cost what is stored or fetched of others, and what is stored of the URI may have many
// keys. So Redis has a generation for each URI, and an entry the one that there was when its
// origin was asked; a replica has a count for each URI that it holds something of.

// invalidations is how many URIs are told apart by what is in flight.
const invalidations = 1 << 10

// An invalidation is told on the channel of purges as "~<store> <number>" and URIs,
// separated by colons, which a replica that knows none of them ignores.
const (
	invalidation       = "~"
	invalidationNumber = "invalidated"
)

// goneFor is how long Redis remembers the generation of a URI of which nothing is stored:
// about as long as a fetch takes at most.
const goneFor = time.Minute

// generationSuffix is behind the key of a URI.
const generationSuffix = ":uri"

func (sp *Space) generationKey(k Key) string { return sp.redisKey(k) + generationSuffix }

// newGeneration is one that no other has, and not 0.
func newGeneration() uint64 { return rand.Uint64() | 1 }

// epoch is what must not have changed between asking an origin and storing what it
// answered.
type epoch struct{ purged, invalidated uint64 }

// epochOf is that of a URI.
func (s *Store) epochOf(k Key) epoch {
	return epoch{s.generation.Load(), s.invalidated[slot(k)].Load()}
}

func slot(k Key) uint16 { return binary.BigEndian.Uint16(k[:]) % invalidations }

func (s *Store) invalidate(k Key) {
	s.invalidated[slot(k)].Add(1)
	s.uris.invalidate(k)
}

// uri is what the entries of one URI have in common in this replica.
type uri struct {
	count atomic.Uint64 // of invalidations
	_     uint64        // as large as an object must be to be collected by itself
}

// uris are those of which something is stored or was lately.
type uris struct {
	mu sync.Mutex
	by map[Key]weak.Pointer[uri]
}

func newURIs() *uris { return &uris{by: map[Key]weak.Pointer[uri]{}} }

func (u *uris) of(k Key) *uri {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.by[k].Value(); p != nil {
		return p
	}
	p := &uri{}
	u.by[k] = weak.Make(p)
	runtime.AddCleanup(p, u.forget, k)
	return p
}

// forget is called when nothing is stored of a URI any more.
func (u *uris) forget(k Key) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p, ok := u.by[k]; ok && p.Value() == nil {
		delete(u.by, k)
	}
}

func (u *uris) invalidate(k Key) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.by[k].Value(); p != nil {
		p.count.Add(1)
	}
}

// renew gives URIs a new generation. It lives as long as what is stored of them, or as
// what is being fetched.
var renewGenerations = redis.NewScript(`
for i = 2, #KEYS do
	redis.call('SET', KEYS[i], ARGV[1], 'PX', math.max(redis.call('PTTL', KEYS[i]), tonumber(ARGV[2])))
end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
`)

// Invalidate forgets what is stored of URIs under any key, here and at once; in each Redis
// that is in use, and in the replicas that share it, as soon as they can be told, which is
// waited for no longer than any answer of Redis.
func (sp *Space) Invalidate(ctx context.Context, uris ...Key) {
	number := strconv.FormatUint(rand.Uint64(), 36)
	message := invalidation + sp.store.id + ":" + number
	for _, k := range uris {
		sp.store.invalidate(k)
		message += ":" + k.String()
	}
	sp.tellInvalidated(ctx, uris, number, message)
	for _, other := range sp.store.eachSpace() {
		if other != sp {
			other.tellInvalidated(ctx, uris, number, message)
		}
	}
}

func (sp *Space) tellInvalidated(ctx context.Context, uris []Key, number, message string) {
	if sp.client == nil {
		return
	}
	prefix := sp.store.cfg.Prefix
	keys := make([]string, 1, len(uris)+1)
	keys[0] = prefix + invalidationNumber
	for _, k := range uris {
		keys = append(keys, sp.generationKey(k))
	}
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		return renewGenerations.Run(ctx, rdb, keys, newGeneration(), goneFor.Milliseconds(),
			number, prefix+purgeChannel, message).Err()
	})
	if err != nil {
		sp.store.metrics.dropInvalidation.Inc()
	}
}

// heard takes an invalidation that a replica has told, perhaps this one.
func (sp *Space) heard(message string) {
	parts := strings.Split(strings.TrimPrefix(message, invalidation), ":")
	if len(parts) < 2 {
		return
	}
	sp.seen.mu.Lock()
	sp.seen.invalidation = parts[1]
	sp.seen.mu.Unlock()
	if parts[0] == sp.store.id {
		return // done already: what was stored since is good
	}
	for _, text := range parts[2:] {
		if k, ok := ParseKey(text); ok {
			sp.store.invalidate(k)
		}
	}
}
