package limit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/internal/testenv"
)

// several is a Redis Cluster.
type several struct{ rdb *redis.ClusterClient }

func (s *several) Do(ctx context.Context, fn func(context.Context, redis.Cmdable) error) error {
	return fn(ctx, s.rdb)
}

func (*several) Cluster() bool { return true }

func realCluster(tb testing.TB) (s *several, namespace string) {
	tb.Helper()
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: testenv.RedisCluster(tb), MaxRetries: -1, ContextTimeoutEnabled: true,
		DisableRoutingPolicies: true})
	tb.Cleanup(func() { rdb.Close() })
	return &several{rdb}, tb.Name() + time.Now().Format("150405.000000")
}

// TestAClusterAdmitsExactlyTheLimit: many keys, which are on all three nodes, of three replicas at once.
func TestAClusterAdmitsExactlyTheLimit(t *testing.T) {
	const keys, limit = 60, 20
	const each = 15
	for name, policy := range map[string]Policy{
		"asked":           {Windows: year(limit)},
		"leased":          {Windows: year(limit), Lease: true},
		"several windows": {Windows: []Window{{Limit: limit, Size: 1000 * 24 * time.Hour}, {Limit: 2 * limit, Months: 12}}, Lease: true},
		"buckets":         {Windows: []Window{{Limit: 1, Size: 1000 * 24 * time.Hour, Burst: limit}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, namespace := realCluster(t)
			policy.Redis, policy.Namespace = s, namespace
			var admitted [keys]atomic.Int64
			var wg sync.WaitGroup
			var replicas []*Limiter
			for range 3 {
				l := newLimiter(t, 0)
				replicas = append(replicas, l)
				r := mustRule(t, l, policy)
				for k := range keys {
					wg.Go(func() { admitted[k].Add(int64(takes(t, r, fmt.Sprintf("{a}b%d", k), each))) })
					wg.Go(func() { takes(t, r, fmt.Sprintf("other%d", k), 1) })
				}
			}
			wg.Wait()
			for _, l := range replicas { // gives back what is leased and was not used
				l.Close()
			}
			r := mustRule(t, newLimiter(t, 0), policy)
			for k := range keys {
				n := admitted[k].Load()
				if n > limit {
					t.Fatalf("key %d: %d were admitted, %d are allowed", k, n, limit)
				}
				if rest := int64(takes(t, r, fmt.Sprintf("{a}b%d", k), limit)); n+rest != limit {
					t.Fatalf("key %d: %d and then %d were admitted, %d are allowed", k, n, rest, limit)
				}
			}
		})
	}
}

// TestANodeThatForgotTheScriptGetsItAgain: the others do not run it twice.
func TestANodeThatForgotTheScriptGetsItAgain(t *testing.T) {
	const keys = 30
	s, namespace := realCluster(t)
	l := newLimiter(t, 0)
	r := mustRule(t, l, Policy{Namespace: namespace, Windows: year(100), Redis: s})
	take := func() {
		var wg sync.WaitGroup
		for k := range keys {
			wg.Go(func() { mustTake(t, r, fmt.Sprint(k)) })
		}
		wg.Wait()
	}
	take()
	node := redis.NewClient(&redis.Options{Addr: testenv.RedisCluster(t)[1]})
	defer node.Close()
	if err := node.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	take()
	for k := range keys {
		if d := mustTake(t, r, fmt.Sprint(k)); d.Remaining(0) != 97 {
			t.Errorf("key %d: %d are left of 100 after three", k, d.Remaining(0))
		}
	}
}

func TestCountsAreExchangedThroughACluster(t *testing.T) {
	const keys, patience = 10, 400
	const most, other = 1000, 500
	s, namespace := realCluster(t)
	policy := Policy{Namespace: namespace, Windows: long(most), Sliding: true, Redis: s, Sync: 20 * time.Millisecond}
	a, b := mustRule(t, newLimiter(t, 0), policy), mustRule(t, newLimiter(t, 0), policy)
	for k := range keys {
		takes(t, a, fmt.Sprint(k), other)
	}
	for range patience { // fewer than would use up the other half
		known := 0
		for k := range keys {
			if d := mustTake(t, b, fmt.Sprint(k)); d.Remaining(0) < most-other {
				known++
			}
		}
		if known == keys {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the counts of the other replica never came")
}
