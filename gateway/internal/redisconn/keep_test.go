package redisconn

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
)

func TestUnusedClientsAreClosed(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := NewRegistry(Config{RetireAfter: time.Millisecond, BreakFor: time.Millisecond, BreakAfter: 1}, reg)
	defer r.Close()
	stays := r.Client(Options{Host: "127.0.0.1", Port: 1})
	gone := r.Client(Options{Host: "127.0.0.1", Port: 2})
	sibling := r.Client(Options{Host: "127.0.0.1", Port: 1, Database: 3})
	_ = gone.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error { return rdb.Ping(ctx).Err() }) // starts a probe
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		gone.Subscribe(context.Background(), "c", func(context.Context) error { return nil }, func(string) {})
	}()
	r.Keep([]*Client{stays})
	if r.Client(Options{Host: "127.0.0.1", Port: 1}) != stays {
		t.Error("a client in use was given up")
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("a subscription outlives its client")
	}
	for _, c := range []*Client{gone, sibling} {
		<-c.ctx.Done()
		for c.Available() { // an instant later
			time.Sleep(time.Millisecond)
		}
		if err := c.Do(t.Context(), func(context.Context, redis.Cmdable) error { return nil }); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a client that was closed says %v", err)
		}
	}
	// One server's series are left: sibling's, which are stays' as well.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		n, err := testutil.GatherAndCount(reg, "gateway_redis_up")
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d servers are shown, want 1", n)
		}
	}
	if again := r.Client(gone.Options()); again == gone || !again.Available() {
		t.Error("a server that comes back is not asked anew")
	}
}
