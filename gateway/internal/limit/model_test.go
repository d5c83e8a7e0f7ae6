package limit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// world is several replicas in one bubble of fake time, on a real Redis whose
// clock is the test's: the bubble's, ahead by skew. A round trip takes no time
// of the bubble.
type world struct {
	t      *testing.T
	addr   string
	ns     string
	policy Policy

	mu       sync.Mutex
	skew     time.Duration
	admitted []int64 // times by Redis' clock, ms
	asks     int     // commands to Redis
	requests int
}

// replica is one gateway's limiter.
type replica struct {
	w    *world
	l    *Limiter
	r    *Rule
	rdb  *redis.Client
	mu   sync.Mutex
	down bool
}

func (p *replica) Do(ctx context.Context, fn func(context.Context, redis.Cmdable) error) error {
	p.mu.Lock()
	defer p.mu.Unlock() // so that what is sent is sent under the clock that is set
	if p.down {
		return errors.New("down")
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.asks++
	if err := p.rdb.Set(ctx, p.w.ns+":clock", p.w.now(), 0).Err(); err != nil {
		return err
	}
	return fn(ctx, p.rdb)
}

// now is Redis' time in milliseconds.
func (w *world) now() int64 { return time.Now().Add(w.skew).UnixMilli() }

// start makes a replica. Its scripts read the test's clock.
func (w *world) start() *replica {
	w.t.Helper()
	p := &replica{w: w, l: New(Config{}, nil)}
	p.rdb = redis.NewClient(&redis.Options{Addr: w.addr, MaxRetries: -1, Protocol: 2, DisableIdentity: true})
	policy := w.policy
	policy.Redis = p
	p.r = mustRule(w.t, p.l, policy)
	clock := fmt.Sprintf("(function() local t = tonumber(redis.call('GET', %q)) return { math.floor(t / 1000), t %% 1000 * 1000 } end)()",
		w.ns+":clock")
	source := strings.Replace(leaseSource, "redis.call('TIME')", clock, 1)
	p.r.batch.script = redis.NewScript(strings.Replace(source, "'PX', ttl", "'PX', 600000", 1))
	return p
}

// kill ends a replica so that nothing of it reaches Redis any more.
func (p *replica) kill() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.stop()
}

func (p *replica) stop() {
	_ = p.l.Close()
	_ = p.rdb.Close()
}

// take sends one request, and notes its time if it passes.
func (p *replica) take(key string) {
	d, err := p.r.Take(key)
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.requests++
	if err == nil && d.Allowed {
		p.w.admitted = append(p.w.admitted, p.w.now())
	}
}

// load sends requests at a rate by a Poisson process until end.
func (p *replica) load(r *rand.Rand, rate float64, end time.Time) {
	for {
		next := time.Now().Add(time.Duration(r.ExpFloat64() / rate * float64(time.Second)))
		if !next.Before(end) {
			time.Sleep(time.Until(end))
			return
		}
		time.Sleep(time.Until(next))
		p.take("k")
	}
}

// inWindow counts what passed in each window of a size.
func (w *world) inWindow(size time.Duration) map[int64]int64 {
	n := map[int64]int64{}
	for _, at := range w.admitted {
		n[at/size.Milliseconds()]++
	}
	return n
}

// runWorld runs a test in a bubble that begins with a minute.
func runWorld(t *testing.T, policy Policy, run func(w *world)) {
	t.Helper()
	s, ns := realRedis(t)
	synctest.Test(t, func(t *testing.T) {
		policy.Namespace = ns
		policy.Lease = policy.Windows[0].Burst == 0
		w := &world{t: t, addr: s.rdb.Options().Addr, ns: ns, policy: policy}
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		run(w)
	})
}

// five sends five times the limit to three replicas for some time, in shares
// that change every second.
func (w *world) five(seed uint64, replicas []*replica, rate float64, lasts time.Duration) {
	end := time.Now().Add(lasts)
	for time.Now().Before(end) {
		r := rand.New(rand.NewPCG(seed, uint64(time.Now().Unix())))
		until := time.Now().Add(time.Second)
		shares := make([]float64, len(replicas))
		sum := 0.0
		for i := range shares {
			shares[i] = r.Float64() * r.Float64()
			sum += shares[i]
		}
		var wg sync.WaitGroup
		for i, p := range replicas {
			own := rand.New(rand.NewPCG(r.Uint64(), r.Uint64()))
			wg.Go(func() { p.load(own, max(0.1, rate*shares[i]/sum), until) })
		}
		wg.Wait()
	}
}

func TestLeasesAdmitTheLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int64
		size  time.Duration
	}{
		{name: "1000 in 10 s", limit: 1000, size: 10 * time.Second},
		{name: "100 in 10 s", limit: 100, size: 10 * time.Second},
		{name: "500 in 1 s", limit: 500, size: time.Second},
		{name: "3 in 2 s", limit: 3, size: 2 * time.Second},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(c.name, " ", seed), func(t *testing.T) {
				runWorld(t, Policy{Windows: []Window{{Limit: c.limit, Size: c.size}}}, func(w *world) {
					replicas := []*replica{w.start(), w.start(), w.start()}
					w.five(seed, replicas, 5*float64(c.limit)/c.size.Seconds(), 3*c.size)
					for _, p := range replicas {
						p.stop()
					}
					for window, n := range w.inWindow(c.size) {
						if n > c.limit || float64(n) < 0.99*float64(c.limit) {
							t.Errorf("window %d: %d passed, want 99%% to 100%% of %d", window, n, c.limit)
						}
					}
					t.Logf("%d requests, %d passed, %d round trips", w.requests, len(w.admitted), w.asks)
					if c.limit >= 100 && w.asks*10 > w.requests {
						t.Errorf("%d round trips for %d requests, want one in ten at most", w.asks, w.requests)
					}
				})
			})
		}
	}
}

func TestLeasesOfSlidingWindows(t *testing.T) {
	const limit, size = 1000, 10 * time.Second
	runWorld(t, Policy{Windows: []Window{{Limit: limit, Size: size}}, Sliding: true}, func(w *world) {
		replicas := []*replica{w.start(), w.start(), w.start()}
		w.five(7, replicas, 500, 40*time.Second)
		for _, p := range replicas {
			p.stop()
		}
		count := map[int64]float64{}
		for _, at := range w.admitted {
			window, into := at/size.Milliseconds(), at%size.Milliseconds()
			count[window]++
			if n := count[window] + count[window-1]*(1-float64(into)/float64(size.Milliseconds())); n > limit+1e-6 {
				t.Errorf("%.3f in the last 10 s at %d, want %d at most", n, at, limit)
			}
		}
		if n := len(w.admitted); n < 3*limit {
			t.Errorf("%d passed in 40 s", n)
		}
	})
}

func TestLeasesOfSeveralWindows(t *testing.T) {
	runWorld(t, Policy{Windows: Calendar([6]int64{100, 3000})}, func(w *world) {
		replicas := []*replica{w.start(), w.start(), w.start()}
		w.five(3, replicas, 500, 2*time.Minute)
		for _, p := range replicas {
			p.stop()
		}
		for window, n := range w.inWindow(time.Second) {
			if n > 100 {
				t.Errorf("second %d: %d passed, want 100 at most", window, n)
			}
		}
		for window, n := range w.inWindow(time.Minute) {
			if n > 3000 || n < 2970 {
				t.Errorf("minute %d: %d passed, want 2970 to 3000", window, n)
			}
		}
	})
}

func TestAKilledReplicaLosesItsLeaseAtMost(t *testing.T) {
	const limit, size = 1000, 10 * time.Second
	for seed := range uint64(5) {
		runWorld(t, Policy{Windows: []Window{{Limit: limit, Size: size}}}, func(w *world) {
			replicas := []*replica{w.start(), w.start(), w.start()}
			most := replicas[0].r.leases.most
			for range 4 {
				w.five(seed, replicas, 500, time.Second)
				replicas[0].kill()
				replicas[0] = w.start()
				w.five(seed, replicas, 500, 9*time.Second)
			}
			for _, p := range replicas {
				p.stop()
			}
			for window, n := range w.inWindow(size) {
				if n > limit || n < limit-most {
					t.Errorf("seed %d window %d: %d passed, want %d to %d", seed, window, n, limit-most, limit)
				}
			}
		})
	}
}

// After a jump of Redis' clock the replicas learn of it with the next reply:
// until then they use what they hold.
func TestRedisClockJumps(t *testing.T) {
	const limit, size = 1000, 10 * time.Second
	for _, jump := range []time.Duration{13 * time.Second, -3 * time.Second, -time.Hour} {
		runWorld(t, Policy{Windows: []Window{{Limit: limit, Size: size}}}, func(w *world) {
			replicas := []*replica{w.start(), w.start(), w.start()}
			held := int64(0)
			for i := range 6 {
				w.five(5, replicas, 500, 1300*time.Millisecond)
				if i != 2 {
					continue
				}
				w.mu.Lock()
				w.skew += jump
				w.mu.Unlock()
				for _, p := range replicas {
					held += p.r.leases.most
				}
			}
			for _, p := range replicas {
				p.stop()
			}
			total := int64(len(w.admitted))
			// 7.8 s by the bubble's clock: at most two windows, and one more after a jump.
			if total > 3*limit+held {
				t.Errorf("jump of %s: %d passed", jump, total)
			}
			for window, n := range w.inWindow(size) {
				if n > limit+held {
					t.Errorf("jump of %s: window %d: %d passed, want %d at most", jump, window, n, limit+held)
				}
			}
		})
	}
}
