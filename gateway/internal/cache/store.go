package cache

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// Config is a Store's bounds. Zero fields take the default beside them.
type Config struct {
	MemoryBytes   int64         // 64 MiB; negative: no memory tier
	MaxEntryBytes int           // 4 MiB: a larger body is not stored
	Prefix        string        // "gatelab:cache:" before every Redis key
	WriteQueue    int           // 1024 writes to Redis may wait
	WriteBytes    int64         // 32 MiB may wait in them
	AheadBytes    int64         // 64 MiB that all fills together may be ahead of their clients
	WaitFor       time.Duration // 5s: how long a request waits for the leader of its flight
	PassFor       time.Duration // 5s: how long a resource that was not cacheable is not waited for
}

func (c Config) withDefaults() Config {
	if c.MemoryBytes == 0 {
		c.MemoryBytes = 64 << 20
	}
	if c.MaxEntryBytes <= 0 {
		c.MaxEntryBytes = 4 << 20
	}
	if c.Prefix == "" {
		c.Prefix = "gatelab:cache:"
	}
	if c.WriteQueue <= 0 {
		c.WriteQueue = 1024
	}
	if c.WriteBytes <= 0 {
		c.WriteBytes = 32 << 20
	}
	if c.AheadBytes <= 0 {
		c.AheadBytes = 64 << 20
	}
	if c.WaitFor <= 0 {
		c.WaitFor = 5 * time.Second
	}
	if c.PassFor <= 0 {
		c.PassFor = 5 * time.Second
	}
	return c
}

// Store owns the memory tier, the queue of writes to Redis, and the
// subscriptions that carry purges. It outlives configuration reloads and is
// safe for concurrent use.
type Store struct {
	cfg     Config
	log     *slog.Logger
	memory  *memory
	flights *flights
	leases  *leases
	waiting atomic.Int64 // requests that wait for another's fetch in this replica
	writes  *writeQueue
	metrics *metrics

	// generation counts purges, and invalidated invalidations, by the first bytes
	// of what was invalidated: what was fetched before one is not stored after it.
	generation  atomic.Uint64
	invalidated [invalidations]atomic.Uint64
	id          string       // tells this store's invalidations from other replicas'
	ahead       atomic.Int64 // see ReadAhead
	uris        *uris        // that something is stored of
	bans        *bans        // that this replica has heard of, under numbers of its own

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	spaces map[*redisconn.Client]*Space
	closed bool
}

// New starts a store. Metrics go to reg, which may be nil. Close ends it.
func New(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*Store, error) {
	cfg = cfg.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{cfg: cfg, log: log, flights: newFlights(), leases: newLeases(), bans: newBans(), uris: newURIs(),
		ctx: ctx, cancel: cancel, spaces: map[*redisconn.Client]*Space{},
		id: strconv.FormatUint(rand.Uint64(), 36)}
	s.metrics = newMetrics()
	var err error
	if s.memory, err = newMemory(cfg.MemoryBytes, s.metrics.evictions); err != nil {
		cancel()
		return nil, fmt.Errorf("make memory tier: %w", err)
	}
	s.metrics.register(reg, s)
	s.writes = newWriteQueue(cfg.WriteQueue, cfg.WriteBytes)
	for range writers {
		s.wg.Go(s.write)
	}
	return s, nil
}

// MaxEntryBytes is the longest body that is stored.
func (s *Store) MaxEntryBytes() int { return s.cfg.MaxEntryBytes }

// Space is the part of the store that one Redis stands behind; client nil
// gives the part that lives in this replica's memory only. The same client
// gives the same Space. The first call for a client subscribes to its purges;
// see Keep for how long.
func (s *Store) Space(client *redisconn.Client) *Space {
	sp, made := s.space(client)
	if made && client != nil {
		select { // what is stored earlier goes when it stands
		case <-sp.stands:
		case <-s.ctx.Done():
		case <-time.After(standsWithin):
		}
	}
	return sp
}

// standsWithin bounds how long a new configuration waits for its subscription to
// purges. A Redis that does not answer must not hold it up.
const standsWithin = 200 * time.Millisecond

func (s *Store) space(client *redisconn.Client) (sp *Space, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sp, ok := s.spaces[client]; ok {
		return sp, false
	}
	ctx, cancel := context.WithCancel(s.ctx)
	sp = &Space{store: s, client: client, cancel: cancel, stands: make(chan struct{}), bans: newBans()}
	s.spaces[client] = sp
	if client != nil && !s.closed {
		s.wg.Go(func() {
			client.Subscribe(ctx, s.cfg.Prefix+purgeChannel, sp.catchUp,
				func(message string) { sp.purged(ctx, message) })
		})
	}
	return sp, true
}

// Keep forgets all spaces but those that the configuration in use has, so that
// no purge waits for a Redis that was taken out of it. What requests in flight
// still do in such a space is done, but it hears of no purges any more.
func (s *Store) Keep(used []*Space) {
	wanted := make(map[*Space]bool, len(used))
	for _, sp := range used {
		wanted[sp] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for client, sp := range s.spaces {
		if !wanted[sp] {
			delete(s.spaces, client)
			sp.cancel()
		}
	}
}

// Close ends the writers and subscriptions and waits for them. Writes still
// queued are tried for a short time, then dropped.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.writes.close()
	stop := time.AfterFunc(time.Second, s.cancel)
	s.writes.drained()
	stop.Stop()
	s.cancel()
	s.wg.Wait()
	s.memory.close()
	return nil
}

// eachSpace returns the spaces known now.
func (s *Store) eachSpace() []*Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Space, 0, len(s.spaces))
	for _, sp := range s.spaces {
		list = append(list, sp)
	}
	return list
}
