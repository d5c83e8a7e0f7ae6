package cache

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
)

func TestAReplicaThatHeardOfNoPurgeDoesNotUndoIt(t *testing.T) {
	r := replicas(t, 1)[0]
	before, after := query("before", nil), query("after", nil)
	f := r.Find(t.Context(), before)
	// Another replica's purge, of which this one is not told.
	err := r.client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
		return rdb.Set(ctx, r.store.cfg.Prefix+purgeNumber, "unheard", 0).Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Fill.Store(response("old"))
	eventually(t, "the write is refused", func() bool { return testutil.ToFloat64(r.store.metrics.dropPurged) == 1 })
	if n, _ := inRedis(t, r, before.Key); n != 0 {
		t.Error("what was fetched before the purge is in Redis")
	}
	if err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, r, after, response("new"))
	eventually(t, "the write", func() bool { n, _ := inRedis(t, r, after.Key); return n == 1 })
	if _, ttl := inRedis(t, r, after.Key); ttl <= 0 {
		t.Error("it lives for ever")
	}
}
