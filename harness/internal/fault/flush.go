package fault

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/topology"
)

// KindFlush empties Redis.
const KindFlush = "flush"

// flush empties Redis. There is nothing to undo: what was there comes back as it
// is requested.
type flush struct {
	base
	rdb *redis.Client
}

const markerKey = "gatelab:fault:marker"

func makeFlush(s Spec, l Lab) (Fault, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, err
	}
	if n.Role() != topology.RoleRedis {
		return nil, fmt.Errorf("fault %s: %s is no Redis", s.Kind, s.Target)
	}
	return &flush{base: base{s.Kind, s.Target}, rdb: redis.NewClient(&redis.Options{Addr: n.HostAddr(topology.PortRedis)})}, nil
}

// Setup leaves a key by which the loss is known.
func (f *flush) Setup(ctx context.Context) error {
	return f.rdb.Set(ctx, markerKey, "here", time.Hour).Err()
}

func (f *flush) Inject(ctx context.Context) error { return f.rdb.FlushAll(ctx).Err() }

func (f *flush) Effect(ctx context.Context) error {
	return until(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		n, err := f.rdb.Exists(ctx, markerKey).Result()
		return err == nil && n == 0, "a key from before is still there", err
	})
}

func (f *flush) Recover(context.Context) error { return nil }

func (f *flush) Recovered(ctx context.Context) error { return f.rdb.Ping(ctx).Err() }

func (f *flush) Cleanup(ctx context.Context) error {
	err := f.rdb.Del(ctx, markerKey).Err()
	f.rdb.Close()
	return err
}
