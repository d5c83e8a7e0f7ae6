package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// replayWithin is how long Redis may take for one pipeline.
const replayWithin = 10 * time.Second

// replay sends a trace to Redis for a time, over and over, with depth commands at a time on each of so many connections.
func replay(ctx context.Context, n lab.Node, t *trace, length time.Duration, depth, connections int) (result.RedisReplay, error) {
	out := result.RedisReplay{Depth: depth}
	lists := t.lists()
	if len(lists) == 0 {
		return out, errors.New("no command was recorded: want a stage whose gateways ask Redis")
	}
	out.Connections = connections
	rdb := redis.NewClient(&redis.Options{
		Addr: n.HostAddr(topology.PortRedis), PoolSize: connections, MaxRetries: -1, Protocol: 2, DisableIdentity: true,
		DialTimeout: 2 * time.Second, ReadTimeout: replayWithin, WriteTimeout: replayWithin,
	})
	defer rdb.Close()
	m, err := begin(ctx, n)
	if err != nil {
		return out, err
	}
	var done, failed atomic.Uint64
	until := m.began.Add(length)
	group, gctx := errgroup.WithContext(ctx)
	for i := range connections {
		group.Go(func() error {
			return repeat(gctx, rdb, lists[i%len(lists)], depth, until, func(ok, bad uint64) { done.Add(ok + bad); failed.Add(bad) })
		})
	}
	if err := group.Wait(); err != nil {
		return out, fmt.Errorf("replay: %w", err)
	}
	s, err := m.end(ctx)
	if err != nil {
		return out, err
	}
	if s.node == 0 {
		return out, fmt.Errorf("redis used no CPU time for %d commands: %w", done.Load(), errNoCPU)
	}
	commands := float64(done.Load())
	out.DurationS, out.Errors = s.wall.Seconds(), failed.Load()
	out.MachineBusy = s.busy
	out.CommandsPS, out.RedisCores = commands/s.wall.Seconds(), s.node.Seconds()/s.wall.Seconds()
	out.CommandUS, out.CorePS = s.node.Seconds()/commands*1e6, commands/s.node.Seconds()
	return out, nil
}

// repeat is one connection of a replay. Replies that are errors are counted; a connection that breaks ends the replay.
func repeat(ctx context.Context, rdb *redis.Client, list [][]any, depth int, until time.Time, count func(ok, bad uint64)) error {
	conn := rdb.Conn()
	defer conn.Close()
	for at := 0; time.Now().Before(until); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		pipe := conn.Pipeline()
		for range depth {
			pipe.Do(ctx, list[at]...)
			at = (at + 1) % len(list)
		}
		replies, err := pipe.Exec(ctx)
		var broken net.Error
		if errors.As(err, &broken) || errors.Is(err, io.EOF) {
			return err
		}
		var bad uint64
		for _, r := range replies {
			if err := r.Err(); err != nil && !errors.Is(err, redis.Nil) {
				bad++
			}
		}
		count(uint64(len(replies))-bad, bad)
	}
	return nil
}
