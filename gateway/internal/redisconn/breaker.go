package redisconn

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// breaker counts failures in a row. Closed costs a request one atomic load
// and, on success, one more.
type breaker struct {
	after    int32
	failures atomic.Int32
	open     atomic.Bool
}

func (b *breaker) success() {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

// failure reports whether this failure opened the breaker: true for exactly
// one caller, who must start the probe.
func (b *breaker) failure() bool {
	return b.failures.Add(1) >= b.after && b.open.CompareAndSwap(false, true)
}

func (b *breaker) close() {
	b.failures.Store(0)
	b.open.Store(false)
}

// probe asks an unavailable server every BreakFor whether it is back, and
// closes the breaker when it is. The first question is asked at once: many
// time-outs in a row may have been one stall of this process, not of Redis.
func (c *Client) probe() {
	ctx := c.ctx
	for {
		bounded, cancel := context.WithTimeout(ctx, c.dial+c.timeout)
		err := c.rdb.Ping(bounded).Err()
		cancel()
		if ctx.Err() != nil {
			return
		}
		if o := outcomeOf(ctx, err); o == outcomeOK || o == outcomeReply {
			c.back()
			c.breaker.close()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.registry.cfg.BreakFor):
		}
	}
}

type outcome int

const (
	outcomeOK        outcome = iota
	outcomeReply             // the server lives and refused the command
	outcomeTimeout           // no answer in time
	outcomeFailed            // no connection, or one that broke, or a server that refuses all commands
	outcomeCancelled         // the caller went away: says nothing about the server
)

func outcomeOf(caller context.Context, err error) outcome {
	if err == nil || errors.Is(err, redis.Nil) {
		return outcomeOK
	}
	if errors.Is(caller.Err(), context.Canceled) {
		return outcomeCancelled
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		if refusesAll(reply.Error()) {
			return outcomeFailed
		}
		return outcomeReply
	}
	if isTimeout(err) {
		return outcomeTimeout
	}
	return outcomeFailed
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) ||
		errors.As(err, &ne) && ne.Timeout()
}

// refusesAll tells the replies of a server that will refuse the next command
// just the same: to ask it again for every request is of no use.
func refusesAll(reply string) bool {
	for _, prefix := range []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "NOAUTH", "WRONGPASS",
		"ERR invalid password", "ERR max number of clients"} {
		if strings.HasPrefix(reply, prefix) {
			return true
		}
	}
	return false
}
