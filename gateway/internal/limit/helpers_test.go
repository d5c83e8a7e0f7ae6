package limit

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/internal/testenv"
)

// year is a window that no test crosses by chance but at New Year.
func year(n int64) []Window { return []Window{{Limit: n, Months: 12}} }

// long slides, and is as good as never over.
func long(n int64) []Window { return []Window{{Limit: n, Size: 1000 * 24 * time.Hour}} }

// server is a Redis that can be counted, delayed and broken.
type server struct {
	rdb  *redis.Client
	asks atomic.Int64
	gate chan struct{} // not nil: every ask takes one from it first
	fail atomic.Pointer[error]
}

func (s *server) Do(ctx context.Context, fn func(context.Context, redis.Cmdable) error) error {
	s.asks.Add(1)
	if s.gate != nil {
		<-s.gate
	}
	if err := s.fail.Load(); err != nil {
		return *err
	}
	return fn(ctx, s.rdb)
}

// realRedis connects to the test Redis; each call has a namespace of its own.
func realRedis(tb testing.TB) (s *server, namespace string) {
	tb.Helper()
	addr := testenv.Redis(tb)
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ContextTimeoutEnabled: true})
	tb.Cleanup(func() { rdb.Close() })
	return &server{rdb: rdb}, tb.Name() + time.Now().Format("150405.000000")
}

// newLimiter makes a limiter that is closed, and checked for leaks, with tb.
// Its time-out is long: the machine may be busy.
func newLimiter(tb testing.TB, maxKeys int) *Limiter {
	tb.Helper()
	l := New(Config{MaxKeys: maxKeys, Timeout: 20 * time.Second}, nil)
	tb.Cleanup(func() { l.Close() })
	return l
}

func mustRule(tb testing.TB, l *Limiter, p Policy) *Rule {
	tb.Helper()
	r, err := l.Rule(p)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func mustTake(tb testing.TB, r *Rule, key string) Decision {
	tb.Helper()
	d, err := r.Take(key)
	if err != nil {
		tb.Error(err)
	}
	return d
}

// takes counts how many of n requests pass.
func takes(tb testing.TB, r *Rule, key string, n int) (allowed int) {
	tb.Helper()
	for range n {
		if mustTake(tb, r, key).Allowed {
			allowed++
		}
	}
	return allowed
}

func TestMain(m *testing.M) {
	testenv.RunWithoutLeaks(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}

// eventually waits for what another goroutine must bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}
