package limit

import (
	"context"
	_ "embed" // the scripts
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lease.lua
var leaseSource string

//go:embed exchange.lua
var exchangeSource string

// skewAllowance is for how many milliseconds a counter in Redis outlives its
// window, so that replicas whose clocks are behind still find it.
const skewAllowance = 5_000

// call is one run of a script.
type call struct {
	keys  []string
	args  []any
	reply string
	err   error
}

// spread tells whether a Redis' keys are on several servers: a call has one key then, for which hash slots need not be known.
func spread(r Redis) bool {
	several, ok := r.(interface{ Cluster() bool })
	return ok && several.Cluster()
}

// runAll runs a script for all calls in one round trip; in two when a
// server does not know the script yet. The error is that of all calls; where only
// some failed, as on a cluster of which a part is away, each has its own.
func runAll(ctx context.Context, rdb redis.Cmdable, script *redis.Script, calls []*call) error {
	pipeline(ctx, rdb, script, calls)
	var unknown []*call
	for _, c := range calls {
		if redis.HasErrorPrefix(c.err, "NOSCRIPT") { // it did nothing
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		if err := script.Load(ctx, rdb).Err(); err != nil {
			for _, c := range unknown {
				c.err = fmt.Errorf("load script: %w", err)
			}
		} else {
			pipeline(ctx, rdb, script, unknown)
		}
	}
	for _, c := range calls {
		if c.err == nil {
			return nil
		}
	}
	return calls[0].err
}

func pipeline(ctx context.Context, rdb redis.Cmdable, script *redis.Script, calls []*call) {
	if _, several := rdb.(*redis.ClusterClient); len(calls) == 1 && !several {
		calls[0].reply, calls[0].err = script.EvalSha(ctx, rdb, calls[0].keys, calls[0].args...).Text()
		return
	}
	pipe := rdb.Pipeline()
	cmds := make([]once, len(calls))
	for i, c := range calls {
		args := make([]any, 0, 3+len(c.keys)+len(c.args))
		args = append(args, "evalsha", script.Hash(), len(c.keys))
		for _, key := range c.keys {
			args = append(args, key)
		}
		cmds[i] = once{redis.NewCmd(ctx, append(args, c.args...)...)}
		_ = pipe.Process(ctx, cmds[i]) // queues it
	}
	_, err := pipe.Exec(ctx)
	for i, c := range calls {
		if c.reply, c.err = cmds[i].Text(); err != nil && c.err == nil && c.reply == "" {
			c.err = err
		}
	}
}

// once is a command that the client of a cluster does not repeat of its own accord when a connection breaks: permits that were given
// back twice would be admitted twice.
type once struct{ *redis.Cmd }

// NoRetry is redis.Cmder's.
func (once) NoRetry() bool { return true }

// ints reads a script's reply number by number.
type ints struct {
	rest string
	err  error
}

func (r *ints) next() int64 {
	word, rest, _ := strings.Cut(r.rest, " ")
	r.rest = rest
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("script reply: %w", err)
	}
	return n
}
