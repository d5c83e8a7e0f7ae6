package cache

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// An invalidation (RFC 9111, 4.4) is a purge that comes with the traffic: it must not
// cost what is fetched of other resources. invalidations is how many are told apart
// by what is in flight.
const invalidations = 1 << 10

// An invalidation is told on the channel of purges as "~<store> <number>" and keys,
// separated by colons, which a replica that knows none of them ignores.
const (
	invalidation       = "~"
	invalidationNumber = "invalidated"
)

// goneFor is how long Redis remembers an invalidation, for replicas that did not hear
// of it: about as long as a fetch takes at most.
const goneFor = time.Minute

// epoch is what must not have changed between asking an origin and storing what it
// answered.
type epoch struct{ purged, invalidated uint64 }

func (s *Store) epochOf(k Key) epoch {
	return epoch{s.generation.Load(), s.invalidated[slot(k)].Load()}
}

func slot(k Key) uint16 { return binary.BigEndian.Uint16(k[:]) % invalidations }

func (s *Store) invalidate(k Key) {
	s.invalidated[slot(k)].Add(1)
	s.memory.drop(k)
}

// Invalidate forgets resources with all their variants, here and at once; in Redis
// and in the replicas that share it as soon as they can be told, which is waited
// for no longer than any answer of Redis.
func (sp *Space) Invalidate(ctx context.Context, keys ...Key) {
	number := rand.Uint64()
	message := invalidation + sp.store.id + ":" + strconv.FormatUint(number, 36)
	for _, k := range keys {
		sp.store.invalidate(k)
		message += ":" + k.String()
	}
	if sp.client == nil {
		return
	}
	now := time.Now()
	gone := encode(nil, &Entry{
		Kind: Gone, Nonce: number, Generated: now, FreshUntil: now, StaleWhileRevalidate: now, StaleIfError: now, KeepUntil: now,
	})
	prefix := sp.store.cfg.Prefix
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, k := range keys {
				p.Set(ctx, sp.redisKey(k), gone, goneFor)
				p.Del(ctx, sp.leaseKey(k)) // who asks from now on does not wait for what was asked for before
			}
			p.Set(ctx, prefix+invalidationNumber, strconv.FormatUint(number, 36), 0)
			p.Publish(ctx, prefix+purgeChannel, message)
			return nil
		})
		return err
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
