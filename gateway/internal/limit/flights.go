package limit

import (
	"context"
	_ "embed" // the script
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed flights.lua
var flightsSource string

// flightTimes are how long what a replica tells Redis is believed, and how often it tells
// what it holds anew. The first is how long the places of a replica that is killed stay
// taken.
var flightTimes = struct{ good, renew time.Duration }{6 * time.Second, 2 * time.Second}

// Flights counts requests in flight by key, over all replicas that share a Redis. Each
// replica tells Redis how many of a key it has, so that an answer that was lost is put right
// by what it tells next, and Redis grants places by the sum. While Redis is away a replica
// grants by its own count alone, and tells it when Redis is back.
type Flights struct {
	l      *Limiter
	redis  Redis
	script *redis.Script
	half   time.Duration // for one round trip: a request may have to wait for two
	id     string        // in Redis

	mu      sync.Mutex
	keys    map[string]*flightKey // something is in flight, or Redis may count something
	pending []*flightKey          // Redis is to be asked or told
	running bool                  // the loop
	wake    chan struct{}
}

// flightKey is what one process has in flight of a key. The Flights' lock guards it.
type flightKey struct {
	name    string
	limit   int64
	n       int64 // in flight
	covered int64 // that Redis counts for this process, at least; 0 where that is not known
	waiters []chan bool
	queued  bool
	asking  bool      // a round trip is under way
	lost    time.Time // since when Redis has not been told; zero: it has
}

// Flight is a request that is counted.
type Flight struct {
	f *Flights
	k *flightKey
}

// Flights makes a counter in r. It needs no end: it works only while something is in
// flight.
func (l *Limiter) Flights(r Redis) *Flights {
	return &Flights{
		l: l, redis: r, script: redis.NewScript(flightsSource), half: l.timeout(r) / 2, id: fmt.Sprintf("%016x", rand.Uint64()),
		keys: map[string]*flightKey{}, wake: make(chan struct{}, 1),
	}
}

// Enter counts one more of a key; nil: there are limit already. key is copied where it is
// kept.
func (f *Flights) Enter(key string, limit int64) *Flight {
	f.mu.Lock()
	k := f.keys[key]
	if k == nil {
		k = &flightKey{name: strings.Clone(key)}
		f.keys[k.name] = k
	}
	k.limit = limit
	if !k.asking && k.n < min(k.covered, limit) { // the place of one that has just ended
		k.n++
		f.mu.Unlock()
		return &Flight{f, k}
	}
	granted := make(chan bool, 1)
	k.waiters = append(k.waiters, granted)
	if !f.queue(k) {
		f.decideAlone(k)
		f.forget(k)
	}
	f.mu.Unlock()
	if !<-granted {
		return nil
	}
	return &Flight{f, k}
}

// Leave counts the request out.
func (t *Flight) Leave() {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	t.k.n--
	if !t.f.queue(t.k) {
		t.f.forget(t.k)
	}
}

// forget drops a key of which there is nothing left to tell. The caller holds mu.
func (f *Flights) forget(k *flightKey) {
	if k.n == 0 && len(k.waiters) == 0 && !k.queued && !k.asking && f.keys[k.name] == k {
		delete(f.keys, k.name)
	}
}

// queue has the loop ask or tell Redis about a key; false when the Limiter is closed. The
// caller holds mu.
func (f *Flights) queue(k *flightKey) bool {
	if !f.running {
		if f.running = f.l.begin(f.loop); !f.running {
			return false
		}
	}
	if !k.queued {
		k.queued = true
		f.pending = append(f.pending, k)
	}
	select {
	case f.wake <- struct{}{}:
	default: // the loop looks again before it sleeps
	}
	return true
}

// begin runs work until the Limiter is closed, or work ends; false: it is closed.
func (l *Limiter) begin(work func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.wg.Go(work)
	}
	return !l.closed
}

// loop works while there is something in flight.
func (f *Flights) loop() {
	renew := time.NewTicker(flightTimes.renew)
	defer renew.Stop()
	for {
		// What is only held must be renewed however busy other keys are.
		for f.l.ctx.Err() == nil && f.exchange() {
			select {
			case <-renew.C:
				f.renew()
			default:
			}
		}
		f.mu.Lock()
		if len(f.keys) == 0 {
			f.running = false
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		select {
		case <-f.l.ctx.Done():
			f.end()
			return
		case <-renew.C:
			f.renew()
		case <-f.wake:
		}
	}
}

// renew has Redis told of every key once more.
func (f *Flights) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		f.queue(k)
	}
}

// end answers those that wait when the Limiter is closed. What is still in flight is not
// renewed.
func (f *Flights) end() {
	f.exchange()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = false
	f.pending = nil
	for _, k := range f.keys {
		k.queued = false
		f.decideAlone(k)
		f.forget(k)
	}
}

// decideAlone answers those that wait by this process' count. The caller holds mu.
func (f *Flights) decideAlone(k *flightKey) { k.answer(k.limit-k.n, len(k.waiters)) }

// answer gives places to the first of those that wait, and refuses others of the first
// asked ones.
func (k *flightKey) answer(places int64, asked int) {
	for i, w := range k.waiters[:asked] {
		granted := int64(i) < places
		if granted {
			k.n++
		}
		w <- granted
	}
	k.waiters = slices.Delete(k.waiters, 0, asked)
}

// askedKey is a key of a round trip.
type askedKey struct {
	k     *flightKey
	need  int
	tells int64
	call  *call
}

// exchange makes one round trip for what is pending; false: nothing was.
func (f *Flights) exchange() bool {
	asked := f.collect()
	if len(asked) == 0 {
		return false
	}
	calls := make([]*call, len(asked))
	for i := range asked {
		calls[i] = asked[i].call
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.half)
	defer cancel()
	err := f.redis.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error { return runAll(ctx, rdb, f.script, calls) })
	f.l.roundTrips.Inc()
	failed := false
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range asked {
		a := &asked[i]
		if err != nil && a.call.err == nil { // nothing was sent
			a.call.err = err
		}
		failed = f.settle(a) || failed
	}
	if failed {
		f.l.failures.Inc()
	}
	return true
}

// collect takes what is pending.
func (f *Flights) collect() []askedKey {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := make([]askedKey, min(len(f.pending), maxBatch))
	for i := range asked {
		k := f.pending[i]
		k.queued, k.asking = false, true
		a := askedKey{k: k, need: len(k.waiters), tells: k.n}
		a.call = &call{
			keys: []string{"gatelab:flights:" + k.name},
			args: []any{f.id, a.tells, a.need, k.limit, flightTimes.good.Milliseconds()},
		}
		f.l.batched.Add(float64(a.need))
		asked[i] = a
	}
	f.pending = slices.Delete(f.pending, 0, len(asked))
	return asked
}

// settle notes what Redis has said of a key, and answers those that waited for it. The
// caller holds mu.
func (f *Flights) settle(a *askedKey) (failed bool) {
	k := a.k
	k.asking = false
	reply := ints{rest: a.call.reply}
	granted := int64(0)
	if a.call.err == nil {
		granted = reply.next()
	}
	if a.call.err != nil || reply.err != nil {
		// Redis may count what it was told, or what it was told before.
		k.covered = 0
		if k.lost.IsZero() {
			k.lost = time.Now()
		}
		k.answer(k.limit-k.n, a.need)
		if time.Since(k.lost) > flightTimes.good {
			f.forget(k) // as Redis has by now
		}
		return true
	}
	k.lost = time.Time{}
	k.covered = a.tells + granted
	k.answer(granted, a.need)
	if k.n != k.covered || len(k.waiters) > 0 {
		f.queue(k) // some have ended, or come, since
	}
	f.forget(k)
	return false
}
