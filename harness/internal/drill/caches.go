package drill

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// purgeLoop empties the cache twenty times per second.
type purgeLoop struct {
	*drill
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (t *purgeLoop) begin(ctx context.Context) error {
	// The first is the one to fail; of the others there are enough.
	if err := jsonhttp.Send(ctx, http.MethodDelete, t.admin()+"/proxy-cache", nil, nil); err != nil {
		return err
	}
	ctx, t.cancel = context.WithCancel(ctx)
	t.done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = jsonhttp.Send(ctx, http.MethodDelete, t.admin()+"/proxy-cache", nil, nil)
			}
		}
	})
	return nil
}

func (t *purgeLoop) end(context.Context) error {
	if t.cancel != nil {
		t.cancel()
		t.done.Wait()
	}
	return nil
}

// fullRedis puts so many large values into Redis that nineteen twentieths of its
// memory are in use.
type fullRedis struct{ *drill }

const (
	filling     = "gatelab:drill:filling:"
	fillingSize = 1 << 20
	fillTo      = 0.95
)

func (t *fullRedis) client() *redis.Client {
	n, _ := t.session.Lab.Node(topology.RoleRedis)
	return redis.NewClient(&redis.Options{Addr: n.HostAddr(topology.PortRedis), ReadTimeout: changeWithin, WriteTimeout: changeWithin})
}

func (t *fullRedis) begin(ctx context.Context) error {
	rdb := t.client()
	defer rdb.Close()
	info, err := rdb.InfoMap(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("fill Redis: %w", err)
	}
	var used, most float64
	if _, err := fmt.Sscan(info["Memory"]["used_memory"]+" "+info["Memory"]["maxmemory"], &used, &most); err != nil || most == 0 {
		return fmt.Errorf("fill Redis: it does not say what it may use: maxmemory %q", info["Memory"]["maxmemory"])
	}
	value := strings.Repeat("x", fillingSize)
	for i := range int((fillTo*most - used) / fillingSize) {
		if err := rdb.Set(ctx, fmt.Sprintf("%s%d", filling, i), value, 0).Err(); err != nil {
			return fmt.Errorf("fill Redis: %w", err)
		}
	}
	return nil
}

func (t *fullRedis) end(ctx context.Context) error {
	rdb := t.client()
	defer rdb.Close()
	keys := rdb.Scan(ctx, 0, filling+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := rdb.Del(ctx, keys.Val()).Err(); err != nil {
			return fmt.Errorf("empty Redis: %w", err)
		}
	}
	return keys.Err()
}
