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
}

// runAll runs a script for all calls in one round trip; in two when the
// server does not know the script yet.
func runAll(ctx context.Context, rdb redis.Cmdable, script *redis.Script, calls []*call) error {
	err := pipeline(ctx, rdb, script, calls)
	if !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return err
	}
	if err := script.Load(ctx, rdb).Err(); err != nil {
		return fmt.Errorf("load script: %w", err)
	}
	// The first call found no script, so none of them did anything.
	return pipeline(ctx, rdb, script, calls)
}

func pipeline(ctx context.Context, rdb redis.Cmdable, script *redis.Script, calls []*call) error {
	if len(calls) == 1 {
		text, err := script.EvalSha(ctx, rdb, calls[0].keys, calls[0].args...).Text()
		calls[0].reply = text
		return err
	}
	pipe := rdb.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		cmds[i] = script.EvalSha(ctx, pipe, c.keys, c.args...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, c := range calls {
		text, err := cmds[i].Text()
		if err != nil {
			return err
		}
		c.reply = text
	}
	return nil
}

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
