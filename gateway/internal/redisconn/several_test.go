package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/internal/testenv"
)

func TestAClusterIsOneClient(t *testing.T) {
	nodes := testenv.RedisCluster(t)
	c := newRegistry(t, Config{DialTimeout: 5 * time.Second, Timeout: 5 * time.Second}, nil).Client(Options{Cluster: nodes[0]})
	if !c.Cluster() || c.Options().Address() != nodes[0] {
		t.Errorf("cluster %t, address %s", c.Cluster(), c.Options().Address())
	}
	err := c.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
		for i := range 100 { // one named node is enough to find the keys of all
			key := fmt.Sprintf("%s-%d", t.Name(), i)
			if err := rdb.Set(ctx, key, i, time.Minute).Err(); err != nil {
				return err
			}
			if got, err := rdb.Get(ctx, key).Int(); err != nil || got != i {
				return fmt.Errorf("%s is %d: %w", key, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	used, most, err := c.memory(t.Context())
	if err != nil || used <= 0 || most != 0 {
		t.Errorf("memory %v of %v, %v", used, most, err)
	}
}

// TestAFailoverIsFollowed: a Sentinel makes the replica the master, and the client goes on with it.
func TestAFailoverIsFollowed(t *testing.T) {
	w := testenv.RedisSentinel(t)
	c := newRegistry(t, Config{DialTimeout: time.Second, Timeout: time.Second, BreakFor: 50 * time.Millisecond}, nil).
		Client(Options{Master: w.Master, Sentinels: w.Sentinel})
	set := func() error {
		return c.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
			return rdb.Set(ctx, t.Name(), "1", time.Minute).Err()
		})
	}
	if err := set(); err != nil {
		t.Fatal(err)
	}
	w.KillMaster(t)
	if err := set(); err == nil {
		t.Log("the replica was the master at once")
	}
	eventually(t, "a write to the new master", func() bool { return set() == nil })
}

func TestWhatNamesNobodyIsUnavailable(t *testing.T) {
	r := newRegistry(t, Config{BreakAfter: 1, Timeout: 200 * time.Millisecond}, nil)
	for _, o := range []Options{{Cluster: testenv.FreeAddr(t)}, {Master: "m", Sentinels: testenv.FreeAddr(t)}} {
		c := r.Client(o)
		if err := c.Do(t.Context(), ping); err == nil {
			t.Errorf("%+v: an answer of nobody", o)
		}
		if err := c.Do(t.Context(), ping); !errors.Is(err, ErrUnavailable) && !strings.Contains(fmt.Sprint(err), "refused") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
