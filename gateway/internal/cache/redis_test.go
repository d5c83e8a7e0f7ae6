package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/redisconn"
	"github.com/gatelab/gatelab/internal/testenv"
)

func redisOptions(t *testing.T) redisconn.Options {
	t.Helper()
	host, port, err := net.SplitHostPort(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return redisconn.Options{Host: host, Port: n}
}

// replicas are stores that share a Redis, under a prefix of the test's own.
func replicas(t *testing.T, n int) []*Space {
	t.Helper()
	list := make([]*Space, n)
	prefix := fmt.Sprintf("%s:%d:", t.Name(), rand.Uint64())
	for i := range list {
		s := newStore(t, Config{Prefix: prefix})
		list[i] = s.Space(newClient(t, redisOptions(t)))
		select {
		case <-list[i].stands:
		case <-time.After(30 * time.Second):
			t.Fatal("there is no subscription")
		}
	}
	return list
}

func fill(t *testing.T, sp *Space, q Query, e *Entry) {
	t.Helper()
	f := sp.Find(t.Context(), q)
	if f.Fill == nil {
		t.Fatalf("stored already: %+v", f)
	}
	f.Fill.Aim(e, q.Request)
	f.Fill.Store(e)
}

func inRedis(t *testing.T, sp *Space, k Key) (n int64, ttl time.Duration) {
	t.Helper()
	err := sp.client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) (err error) {
		if n, err = rdb.Exists(ctx, sp.redisKey(k)).Result(); err != nil {
			return err
		}
		ttl, err = rdb.PTTL(ctx, sp.redisKey(k)).Result()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, ttl
}

func TestReplicasShareWhatIsStored(t *testing.T) {
	r := replicas(t, 2)
	for _, vary := range [][]string{nil, {"accept-language"}} {
		t.Run(fmt.Sprint("vary ", vary), func(t *testing.T) {
			q := query(t.Name(), header("Accept-Language", "en"))
			fill(t, r[0], q, response("hello", vary...))
			at := response("", vary...)
			eventually(t, "the write", func() bool {
				if e := r[0].Peek(q.Key, q.Request); e != nil {
					at = e
				}
				n, _ := inRedis(t, r[0], at.under(q.Key, q.Request))
				return n == 1
			})
			f := r[1].Find(t.Context(), q)
			if f.Outcome != HitRedis || string(f.Entry.Body) != "hello" || string(f.Entry.Header[0].Value) != "application/json" {
				t.Fatalf("the other replica found %+v", f)
			}
			if f := r[1].Find(t.Context(), q); f.Outcome != HitMemory {
				t.Errorf("and did not keep it in memory: %+v", f)
			}
			if _, ttl := inRedis(t, r[0], at.under(q.Key, q.Request)); ttl <= 0 || ttl > time.Minute {
				t.Errorf("time to live in Redis is %v", ttl)
			}
		})
	}
}

func TestPurgeReachesEveryReplica(t *testing.T) {
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprint("all ", all), func(t *testing.T) {
			r := replicas(t, 2)
			q, other := query("a", nil), query("b", nil)
			for _, q := range []Query{q, other} {
				fill(t, r[0], q, response("x"))
				eventually(t, "the write", func() bool { n, _ := inRedis(t, r[0], q.Key); return n == 1 })
				if f := r[1].Find(t.Context(), q); f.Outcome != HitRedis {
					t.Fatalf("%+v", f)
				}
			}
			var err error
			found := true
			if all {
				err = r[0].store.PurgeAll(t.Context())
			} else {
				found, err = r[0].store.Purge(t.Context(), q.Key)
			}
			if err != nil || !found {
				t.Fatalf("purge: found %t, %v", found, err)
			}
			eventually(t, "the other replica's memory forgets", func() bool { return r[1].Peek(q.Key, nil) == nil })
			if n, _ := inRedis(t, r[0], q.Key); n != 0 {
				t.Error("it is still in Redis")
			}
			n, _ := inRedis(t, r[0], other.Key)
			if kept := n == 1; kept == all {
				t.Errorf("the other key is kept: %t", kept)
			}
			if again, err := r[0].store.Purge(t.Context(), q.Key); again || err != nil {
				t.Errorf("a second purge found %t, %v", again, err)
			}
		})
	}
}

func TestWhatWasFetchedBeforeAPurgeIsNotStoredAfterIt(t *testing.T) {
	r := replicas(t, 1)[0]
	q := query("a", nil)
	f := r.Find(t.Context(), q)
	if err := r.store.PurgeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if late := r.Find(t.Context(), q); late.Fill == nil || late.Fill.flight == nil {
		t.Error("a request after the purge waits for an answer from before it")
	} else {
		late.Fill.Abandon()
	}
	f.Fill.Store(response("old"))
	if r.Peek(q.Key, nil) != nil {
		t.Error("memory has it")
	}
	if n, _ := inRedis(t, r, q.Key); n != 0 {
		t.Error("Redis has it")
	}
}

func TestReplicaThatMissedAPurgeEmptiesItsMemory(t *testing.T) {
	r := replicas(t, 2)
	q := query("a", nil)
	fill(t, r[0], q, response("x"))
	if err := r[0].catchUp(t.Context()); err != nil || r[0].Peek(q.Key, nil) == nil {
		t.Fatalf("nothing was missed, yet the memory is empty (%v)", err)
	}
	// A purge that r[0] was not told of: its number differs when it looks.
	err := r[1].client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
		return rdb.Set(ctx, r[1].store.cfg.Prefix+purgeNumber, "missed", 0).Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r[0].catchUp(t.Context()); err != nil || r[0].Peek(q.Key, nil) != nil {
		t.Errorf("the memory still has what was purged (%v)", err)
	}
}

func TestDeadRedisIsAMiss(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, err := New(Config{}, reg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sp := s.Space(newClient(t, redisconn.Options{Host: "127.0.0.1", Port: 1}))
	q := query("a", nil)
	fill(t, sp, q, response("x"))
	if f := sp.Find(t.Context(), q); f.Outcome != HitMemory {
		t.Errorf("memory must serve without Redis: %+v", f)
	}
	eventually(t, "the drop is counted", func() bool { return testutil.ToFloat64(s.metrics.dropRedis) == 1 })
	if _, err := s.Purge(t.Context(), q.Key); err == nil {
		t.Error("a purge that did not reach Redis said nothing")
	}
	if sp.Peek(q.Key, nil) != nil {
		t.Error("the purge left this replica's memory as it was")
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestDamagedEntryIsAMiss(t *testing.T) {
	r := replicas(t, 1)[0]
	q := query("a", nil)
	err := r.client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
		return rdb.Set(ctx, r.redisKey(q.Key), "\x63not an entry", 0).Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Find(t.Context(), q)
	if f.Fill == nil {
		t.Fatalf("%+v", f)
	}
	f.Fill.Abandon()
}

func TestWriteQueueIsBounded(t *testing.T) {
	q := newWriteQueue(2, 11_000)
	big := &Entry{Body: make([]byte, 9_000)}
	small := &Entry{}
	for i, step := range []struct {
		name  string
		entry *Entry
		want  bool
	}{
		{name: "the first fits", entry: big, want: true},
		{name: "its bytes leave no room for another like it", entry: big},
		{name: "but for a small one", entry: small, want: true},
		{name: "and no third job at all", entry: small},
	} {
		if got := q.offer(writeJob{entry: step.entry}); got != step.want {
			t.Errorf("%d: %s: taken %t", i, step.name, got)
		}
	}
	q.close()
	if q.offer(writeJob{entry: small}) {
		t.Error("a closed queue took a job")
	}
}

// Nothing is known of purges from before the first subscription.
func TestWhatWasStoredBeforeTheFirstSubscriptionGoes(t *testing.T) {
	r := replicas(t, 1)
	r[0].hears.Store(false) // as before it stood
	q := query("a", nil)
	fill(t, r[0], q, response("x"))
	if r[0].Peek(q.Key, nil) == nil {
		t.Fatal("the memory has nothing")
	}
	if err := r[0].catchUp(t.Context()); err != nil || r[0].Peek(q.Key, nil) != nil {
		t.Errorf("the memory still has what may have been purged (%v)", err)
	}
	q = query("b", nil)
	fill(t, r[0], q, response("y"))
	if err := r[0].catchUp(t.Context()); err != nil || r[0].Peek(q.Key, nil) == nil {
		t.Errorf("nothing was missed, yet the memory is empty (%v)", err)
	}
}

// BenchmarkFindInRedis is a hit that memory does not have.
func BenchmarkFindInRedis(b *testing.B) {
	host, port, err := net.SplitHostPort(testenv.Redis(b))
	if err != nil {
		b.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	sp := newStore(b, Config{MemoryBytes: -1, Prefix: fmt.Sprint(b.Name(), rand.Uint64())}).
		Space(newClient(b, redisconn.Options{Host: host, Port: n}))
	q := query("a", nil)
	e := response("")
	e.Body = make([]byte, 1024)
	sp.Find(b.Context(), q).Fill.Store(e)
	find := func() bool {
		f := sp.Find(b.Context(), q)
		if f.Fill != nil {
			f.Fill.Abandon()
		}
		return f.Outcome == HitRedis
	}
	for deadline := time.Now().Add(10 * time.Second); !find(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("not stored")
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if !find() {
			b.Fatal("no hit")
		}
	}
}
