package limit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config sizes a Limiter.
type Config struct {
	// MaxKeys is how many keys are remembered at most, over all rules. Beyond
	// it the keys with the lowest counts are forgotten first. Default 200,000
	// (some 60 MB).
	MaxKeys int
	// Timeout is how long a request waits for Redis at most, unless the Redis has
	// a time-out of its own. Default 200 ms.
	Timeout time.Duration
	// RetireAfter is how long a Redis that Keep dropped is asked for what is in
	// flight. Default 5 s; shorter than its client lives on.
	RetireAfter time.Duration
}

const (
	shards        = 64
	sweepInterval = 5 * time.Second
	evictSample   = 8
)

// Limiter holds the counters of all rules. It outlives configurations: rules
// come and go with them. Close it when no rule is used any more.
type Limiter struct {
	cfg    Config
	seed   maphash.Seed
	shards [shards]shard

	mu       sync.Mutex
	closed   bool
	batchers map[Redis]*batcher
	syncers  map[syncerKey]*syncer

	base   time.Time // see now
	baseMS int64
	id     string // of this replica, in Redis

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	roundTrips prometheus.Counter
	batched    prometheus.Counter
	failures   prometheus.Counter
	leased     prometheus.Counter
	returned   prometheus.Counter
	evicted    prometheus.Counter
}

type shard struct {
	mu    sync.RWMutex
	m     map[entryKey]*entry
	swept int64 // when a full shard was last searched for what is over, Unix ms
}

type entryKey struct {
	rule uint64
	key  string
}

// ErrClosed is what a closed Limiter answers.
var ErrClosed = errors.New("limiter is closed")

// New makes a Limiter and starts its sweeper. reg may be nil.
func New(cfg Config, reg prometheus.Registerer) *Limiter {
	if cfg.MaxKeys <= 0 {
		cfg.MaxKeys = 200_000
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 200 * time.Millisecond
	}
	if cfg.RetireAfter <= 0 {
		cfg.RetireAfter = 5 * time.Second
	}
	l := &Limiter{cfg: cfg, seed: maphash.MakeSeed(), batchers: map[Redis]*batcher{}, syncers: map[syncerKey]*syncer{}}
	for i := range l.shards {
		l.shards[i].m = map[entryKey]*entry{}
	}
	l.base = time.Now()
	l.baseMS = l.base.UnixMilli()
	l.id = fmt.Sprintf("%016x", rand.Uint64())
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.register(reg)
	l.wg.Go(l.sweepLoop)
	return l
}

func (l *Limiter) register(reg prometheus.Registerer) {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		if reg != nil {
			reg.MustRegister(c)
		}
		return c
	}
	l.roundTrips = counter("gateway_ratelimit_redis_round_trips_total",
		"Round trips to Redis for rate limits, each for all requests that waited.")
	l.batched = counter("gateway_ratelimit_redis_requests_total", "Requests whose rate limit was asked of Redis.")
	l.failures = counter("gateway_ratelimit_redis_failures_total", "Round trips to Redis for rate limits that failed.")
	l.leased = counter("gateway_ratelimit_leased_total", "Permits that were taken from Redis ahead of requests.")
	l.returned = counter("gateway_ratelimit_returned_total", "Permits that were given back to Redis without having been used.")
	l.evicted = counter("gateway_ratelimit_evicted_total", "Keys forgotten before their windows were over, for lack of room.")
	if reg != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_ratelimit_keys", Help: "Keys that the rate limiter remembers in this process.",
		}, func() float64 { return float64(l.Len()) }))
	}
}

// Close ends the background work: counts that are to be exchanged with Redis
// are sent a last time. Rules that ask Redis answer ErrClosed from then on.
func (l *Limiter) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.wg.Wait()
	return nil
}

// Keep ends the work in the background for all Redis servers but those of the
// rules of the configuration in use. Requests in flight have some time to be
// counted; after it their rules answer ErrClosed.
func (l *Limiter) Keep(used []*Rule) {
	batchers, syncers := map[*batcher]bool{}, map[*syncer]bool{}
	for _, r := range used {
		batchers[r.batch], syncers[r.sync] = true, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for redis, b := range l.batchers {
		if !batchers[b] {
			delete(l.batchers, redis)
			close(b.unused)
		}
	}
	for key, s := range l.syncers {
		if !syncers[s] {
			delete(l.syncers, key)
			close(s.unused)
		}
	}
}

// timeout is for how long a request waits for r.
func (l *Limiter) timeout(r Redis) time.Duration {
	if own, ok := r.(interface{ Timeout() time.Duration }); ok {
		return own.Timeout()
	}
	return l.cfg.Timeout
}

// Len is how many keys are remembered now.
func (l *Limiter) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.RLock()
		n += len(s.m)
		s.mu.RUnlock()
	}
	return n
}

// now is a clock in milliseconds that is never set: it began with the time of
// the day when the limiter was made.
func (l *Limiter) now() int64 { return l.baseMS + time.Since(l.base).Milliseconds() }

// lock finds what is known of a key as entry does, and locks it.
func (l *Limiter) lock(r *Rule, key string, now int64) *entry {
	for {
		e := l.entry(r, key, now)
		e.mu.Lock()
		if !e.dead {
			return e
		}
		e.mu.Unlock() // dropped between the look-up and the lock
	}
}

// entry finds what is known of a key, and begins it where nothing is.
func (l *Limiter) entry(r *Rule, key string, now int64) *entry {
	s := &l.shards[maphash.String(l.seed, key)%shards]
	k := entryKey{r.id, key}
	s.mu.RLock()
	e := s.m[k]
	s.mu.RUnlock()
	if e != nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.m[k]; e != nil {
		return e
	}
	l.makeRoom(s, now)
	k.key = strings.Clone(key) // the caller's may be a view of a buffer
	e = newEntry(r, k.key)
	e.expires = now + time.Second.Milliseconds()
	s.m[k] = e
	return e
}

// makeRoom keeps a shard within its share of MaxKeys. A full shard is searched
// for what is over at most once a second: a flood of new keys must not make
// every request walk through it. The caller holds the lock.
func (l *Limiter) makeRoom(s *shard, now int64) {
	if len(s.m) < max(1, l.cfg.MaxKeys/shards) {
		return
	}
	if now-s.swept >= 1000 || now < s.swept {
		s.swept = now
		if s.drop(now) > 0 {
			return
		}
	}
	s.evict()
	l.evicted.Inc()
}

// drop removes what is over and says how much that was. The caller holds the
// lock.
func (s *shard) drop(now int64) int {
	n := 0
	for k, e := range s.m {
		e.mu.Lock()
		if e.expires <= now {
			e.drop()
			delete(s.m, k)
			n++
		}
		e.mu.Unlock()
	}
	return n
}

// evict removes the entry with the lowest count among a few picked by chance:
// a client that floods the limiter with keys pushes out keys of the same kind, not
// those that are near their limit. The caller holds the lock.
func (s *shard) evict() {
	var victim *entry
	var key entryKey
	var least int64
	seen := 0
	for k, e := range s.m { // Go begins at a random place
		if n := e.weightOfUse(); victim == nil || n < least {
			victim = e
			key = k
			least = n
		}
		if seen++; seen == evictSample {
			break
		}
	}
	victim.mu.Lock()
	victim.drop()
	victim.mu.Unlock()
	delete(s.m, key)
}

func (l *Limiter) sweepLoop() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case now := <-tick.C:
			for i := range l.shards {
				s := &l.shards[i]
				s.mu.Lock()
				s.drop(now.UnixMilli())
				s.mu.Unlock()
			}
		}
	}
}
