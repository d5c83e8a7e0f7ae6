package limit

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// flightsOf are replicas that share a Redis, each with a connection that can be taken away.
func flightsOf(t *testing.T, replicas int) (servers []*server, counters []*Flights, key string) {
	t.Helper()
	for range replicas {
		s, namespace := realRedis(t)
		servers, key = append(servers, s), namespace
		counters = append(counters, newLimiter(t, 0).Flights(s))
	}
	return servers, counters, key
}

// believed is what Redis counts of a key, and until when that is good at the latest, ms.
func believed(t *testing.T, s *server, key string) (n, good int64) {
	t.Helper()
	told, err := s.rdb.HGetAll(context.Background(), "gatelab:flights:"+key).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range told {
		count, until, _ := strings.Cut(text, " ")
		one, err := strconv.ParseInt(count, 10, 64)
		end, err2 := strconv.ParseInt(until, 10, 64)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		n, good = n+one, max(good, end)
	}
	return n, good
}

// enter takes n places.
func enter(t *testing.T, f *Flights, key string, limit int64, n int) (taken []*Flight) {
	t.Helper()
	for range n {
		if one := f.Enter(key, limit); one != nil {
			taken = append(taken, one)
		}
	}
	return taken
}

// TestFlightsOfSeveralReplicas are never more than the limit at a time, and none is left.
func TestFlightsOfSeveralReplicas(t *testing.T) {
	const limit = 5
	servers, counters, key := flightsOf(t, 3)
	var now, most, granted atomic.Int64
	var wg sync.WaitGroup
	for i := range 24 {
		f := counters[i%len(counters)]
		wg.Go(func() {
			for range 100 {
				one := f.Enter(key, limit)
				if one == nil {
					continue
				}
				n := now.Add(1)
				for had := most.Load(); n > had && !most.CompareAndSwap(had, n); had = most.Load() {
				}
				granted.Add(1)
				now.Add(-1)
				one.Leave()
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || granted.Load() == 0 {
		t.Errorf("%d at a time, of %d granted: want at most %d", most.Load(), granted.Load(), limit)
	}
	eventually(t, "all are counted out", func() bool { n, _ := believed(t, servers[0], key); return n == 0 })
	taken := enter(t, counters[0], key, limit, 2)
	taken = append(taken, enter(t, counters[1], key, limit, 9)...)
	if refused := counters[2].Enter(key, limit); len(taken) != limit || refused != nil {
		t.Errorf("%d places, and one more: %v; want %d", len(taken), refused != nil, limit)
	}
	for _, one := range taken {
		one.Leave()
	}
	eventually(t, "all are counted out", func() bool { n, _ := believed(t, servers[0], key); return n == 0 })
	for _, f := range counters {
		eventually(t, "the work has ended", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return !f.running && len(f.keys) == 0
		})
	}
}

// shortFlights has what replicas tell be good for a short time only.
func shortFlights(t *testing.T) {
	t.Helper()
	before := flightTimes
	flightTimes.good, flightTimes.renew = 2*time.Second, 20*time.Millisecond
	t.Cleanup(func() { flightTimes = before })
}

func TestFlightsOfAReplicaThatIsKilledEnd(t *testing.T) {
	shortFlights(t)
	servers, counters, key := flightsOf(t, 2)
	if n := len(enter(t, counters[0], key, 3, 3)); n != 3 {
		t.Fatalf("%d places, want 3", n)
	}
	if counters[1].Enter(key, 3) != nil {
		t.Error("a fourth was granted")
	}
	_, first := believed(t, servers[0], key)
	eventually(t, "it is renewed for longer than it was good for", func() bool {
		n, good := believed(t, servers[0], key)
		return n == 3 && good > first+flightTimes.good.Milliseconds()
	})
	killed := errors.New("killed")
	servers[0].fail.Store(&killed) // it tells nothing any more
	eventually(t, "its places are free", func() bool { return counters[1].Enter(key, 3) != nil })
}

// TestFlightsWithoutRedis are counted by each replica, which tells them afterwards.
func TestFlightsWithoutRedis(t *testing.T) {
	shortFlights(t)
	servers, counters, key := flightsOf(t, 3)
	down := errors.New("down")
	for _, s := range servers {
		s.fail.Store(&down)
	}
	var taken []*Flight
	for _, f := range counters[:2] {
		here := enter(t, f, key, 3, 5)
		if len(here) != 3 {
			t.Errorf("%d places in a replica, want 3", len(here))
		}
		taken = append(taken, here...)
	}
	for _, s := range servers {
		s.fail.Store(nil)
	}
	eventually(t, "Redis is told", func() bool { n, _ := believed(t, servers[0], key); return n == 6 })
	if counters[2].Enter(key, 3) != nil {
		t.Error("a place was granted while there are more than the limit")
	}
	for _, one := range taken[:4] {
		one.Leave()
	}
	eventually(t, "there are places again", func() bool { return counters[2].Enter(key, 3) != nil })
}

// deaf executes what it is asked, and loses the answers.
type deaf struct {
	*server
	lost atomic.Int64 // answers that are still to be lost
}

func (d *deaf) Do(ctx context.Context, fn func(context.Context, redis.Cmdable) error) error {
	err := d.server.Do(ctx, fn)
	if d.lost.Add(-1) >= 0 {
		return errors.New("lost")
	}
	return err
}

func TestALostAnswerIsPutRight(t *testing.T) {
	shortFlights(t)
	s, key := realRedis(t)
	d := &deaf{server: s}
	d.lost.Store(1)
	f := newLimiter(t, 0).Flights(d)
	one := f.Enter(key, 2) // Redis has granted it, and the replica counts it by itself
	if one == nil {
		t.Fatal("no place")
	}
	eventually(t, "it is counted once", func() bool { n, _ := believed(t, s, key); return n == 1 && d.lost.Load() < 0 })
	if two := f.Enter(key, 2); two == nil || f.Enter(key, 2) != nil {
		t.Error("want one more place")
	}
}

func TestFlightsOfAClosedLimiter(t *testing.T) {
	s, key := realRedis(t)
	l := New(Config{Timeout: 20 * time.Second}, nil)
	f := l.Flights(s)
	one := f.Enter(key, 2)
	l.Close()
	if two := f.Enter(key, 2); one == nil || two == nil || f.Enter(key, 2) != nil {
		t.Error("want the two places that this process has")
	}
	one.Leave()
}

func BenchmarkFlights(b *testing.B) {
	s, key := realRedis(b)
	f := newLimiter(b, 0).Flights(s)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if one := f.Enter(key, 1_000_000); one != nil {
				one.Leave()
			}
		}
	})
}
