package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// purgeChannel and purgeNumber, after the store's prefix, name the pub/sub
// channel of purges and the key of the last purge's number. A message is
// "<number> <key>" or "<number> *".
const (
	purgeChannel = "purge"
	purgeNumber  = "purged"
	everything   = "*"
)

// purgeTimeout bounds each step of a purge in Redis.
const purgeTimeout = 5 * time.Second

// purgeMark says up to which purge a replica knows of them.
type purgeMark struct {
	known  bool
	number string // "": there was none
}

// lastPurge is the mark of the last purge that a space took part in.
type lastPurge struct {
	mu sync.Mutex
	purgeMark
	invalidation string // number of the last invalidation that was heard of
}

func (l *lastPurge) mark() purgeMark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.purgeMark
}

// Lookup returns what is stored under a key as X-Cache-Key shows it, in memory
// or in any known Redis; nil where there is nothing. A resource that varies is
// shown as its note.
func (s *Store) Lookup(ctx context.Context, k Key) *Entry {
	if e := s.recall(k); e != nil && e.Kind != PassNote {
		return e
	}
	for _, sp := range s.eachSpace() {
		if sp.client == nil {
			continue
		}
		if t := sp.look(ctx, k, Key{}, asking{anyGeneration: true}); t.entry != nil {
			return t.entry
		}
	}
	return nil
}

// Purge forgets one resource with all its variants, in this replica's memory,
// in every known Redis, and in the memory of the replicas that share one. It
// reports whether anything was there. An error means that a Redis could not be
// reached: then its entry, and that of other replicas, may live on.
func (s *Store) Purge(ctx context.Context, k Key) (found bool, err error) {
	s.forget()
	found = s.memory.drop(k)
	for _, sp := range s.eachSpace() {
		if sp.client == nil {
			continue
		}
		n, e := sp.purgeKey(ctx, k)
		found = found || n > 0
		err = errors.Join(err, e)
	}
	return found, err
}

// PurgeAll forgets everything, as far as Purge does.
func (s *Store) PurgeAll(ctx context.Context) (err error) {
	s.forgetAll()
	for _, sp := range s.eachSpace() {
		if sp.client != nil {
			err = errors.Join(err, sp.purgeAll(ctx))
		}
	}
	s.forgetAll()
	return err
}

// forget bumps the generation first: what is being fetched now was asked for
// before the purge, and must not be stored after it.
func (s *Store) forget() {
	s.generation.Add(1)
	s.flights.detach()
}

func (s *Store) forgetAll() {
	s.forget()
	s.memory.dropAll()
}

func (sp *Space) purgeKey(ctx context.Context, k Key) (n int64, err error) {
	if err = sp.tell(ctx, k.String()); err != nil {
		return 0, err
	}
	err = sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		if n, err = rdb.Unlink(ctx, sp.redisKey(k)).Result(); err != nil {
			return err
		}
		return rdb.Unlink(ctx, sp.leaseKey(k)).Err()
	})
	if err != nil {
		return 0, fmt.Errorf("purge in Redis %s: %w", sp.client.Options().Address(), err)
	}
	// Told again: a replica may have read the entry between the two.
	return n, sp.tell(ctx, k.String())
}

func (sp *Space) purgeAll(ctx context.Context) error {
	if err := sp.tell(ctx, everything); err != nil {
		return err
	}
	err := sp.client.DoTimeout(ctx, purgeTimeout, func(ctx context.Context, rdb redis.Cmdable) error {
		// Keys are 64 hex digits, and leases begin with them: the pattern leaves the purge's
		// own key alone.
		pattern := sp.store.cfg.Prefix + strings.Repeat("[0-9a-f]", 64) + "*"
		var cursor uint64
		for {
			keys, next, err := rdb.Scan(ctx, cursor, pattern, 1000).Result()
			if err != nil {
				return err
			}
			if len(keys) > 0 {
				if err := rdb.Unlink(ctx, keys...).Err(); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
	if err != nil {
		return fmt.Errorf("purge in Redis %s: %w", sp.client.Options().Address(), err)
	}
	return sp.tell(ctx, everything)
}

// tell publishes a purge and notes its number for those who are cut off now.
func (sp *Space) tell(ctx context.Context, what string) error {
	number := strconv.FormatUint(rand.Uint64(), 36)
	prefix := sp.store.cfg.Prefix
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, prefix+purgeNumber, number, 0)
			p.Publish(ctx, prefix+purgeChannel, number+" "+what)
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("announce purge in Redis %s: %w", sp.client.Options().Address(), err)
	}
	return nil
}

// purged takes a purge that some replica announced, perhaps this one.
func (sp *Space) purged(ctx context.Context, message string) {
	if strings.HasPrefix(message, banMessage) {
		sp.banned(ctx, message)
		return
	}
	if strings.HasPrefix(message, invalidation) {
		sp.heard(message)
		return
	}
	number, what, ok := strings.Cut(message, " ")
	if !ok {
		return
	}
	sp.seen.mu.Lock()
	sp.seen.known, sp.seen.number = true, number
	sp.seen.mu.Unlock()
	if what == everything {
		sp.store.forgetAll()
		return
	}
	if k, ok := ParseKey(what); ok {
		sp.store.forget()
		sp.store.memory.drop(k)
	}
}

// catchUp runs when the subscription stands anew: if there was a purge
// meanwhile, it cannot be known of what, so all goes. A number that is gone
// means a Redis that lost its data, which is no purge. When it stands for the
// first time, nothing is known of purges before, so what was stored or asked for
// earlier goes as well. After an error the subscription is made again.
func (sp *Space) catchUp(ctx context.Context) error {
	number, err := sp.number(ctx, purgeNumber)
	if err != nil {
		return err
	}
	last, err := sp.number(ctx, invalidationNumber)
	if err != nil {
		return err
	}
	sp.banning.Lock()
	err = sp.loadBans(ctx)
	sp.banning.Unlock()
	if err != nil {
		return err
	}
	sp.seen.mu.Lock()
	missed := sp.seen.known && (number != "" && number != sp.seen.number || last != "" && last != sp.seen.invalidation)
	sp.seen.known, sp.seen.number = true, number
	sp.seen.invalidation = last
	sp.seen.mu.Unlock()
	if !sp.hears.Swap(true) {
		sp.store.forget() // what is in flight is not stored
		missed = missed || sp.early.Load()
	}
	if missed {
		sp.store.log.Info("cache emptied: a purge may have been missed", "redis", sp.client.Options().Address())
		sp.store.forgetAll()
	}
	sp.once.Do(func() { close(sp.stands) })
	return nil
}

// number reads one that the replicas have left behind, "" for none.
func (sp *Space) number(ctx context.Context, name string) (number string, err error) {
	err = sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		number, err = rdb.Get(ctx, sp.store.cfg.Prefix+name).Result()
		return err
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return number, nil
}
