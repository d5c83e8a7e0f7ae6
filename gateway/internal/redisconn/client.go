package redisconn

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnavailable is what Do returns, at once, while a server's breaker is open,
// and when the client was retired or its registry closed.
var ErrUnavailable = errors.New("redis is unavailable")

// Client is one Redis: a server, a cluster, or the master that Sentinels name. It is safe for concurrent use.
type Client struct {
	registry *Registry
	options  Options
	rdb      redis.UniversalClient
	breaker  breaker
	metrics  clientMetrics
	state    atomic.Int32
	timeout  time.Duration   // of one Do
	dial     time.Duration   // of connecting
	ctx      context.Context // ends when the client is retired, or the registry closed
	cancel   context.CancelFunc
}

// What is known of a server: nothing at first.
const (
	stateUnknown = iota
	stateUp
	stateAway
)

func newClient(r *Registry, o Options) *Client {
	timeout, dial := r.cfg.Timeout, r.cfg.DialTimeout
	if o.Timeout > 0 {
		timeout, dial = o.Timeout, o.Timeout
	}
	c := &Client{registry: r, options: o, rdb: r.cfg.connect(o, timeout, dial), timeout: timeout, dial: dial}
	c.ctx, c.cancel = context.WithCancel(r.ctx)
	c.breaker.after = int32(r.cfg.BreakAfter)
	c.metrics = r.metrics.client(o.Address())
	return c
}

// Options are those the client was asked for with.
func (c *Client) Options() Options { return c.options }

// Cluster tells whether keys are on several servers, so that a script takes keys of one hash slot only.
func (c *Client) Cluster() bool { return c.options.Cluster != "" }

// Timeout is how long one Do may take.
func (c *Client) Timeout() time.Duration { return c.timeout }

// Available is false while the breaker is open: Do would answer
// ErrUnavailable.
func (c *Client) Available() bool { return !c.breaker.open.Load() }

// Do runs fn with a connection pool of the server, under the server's time-out
// (shorter if ctx ends earlier). It returns fn's error as it is, or
// ErrUnavailable without calling fn while the breaker is open. redis.Nil and
// an error reply of a living server do not count against the server; neither
// does a ctx that the caller cancelled.
func (c *Client) Do(ctx context.Context, fn func(ctx context.Context, rdb redis.Cmdable) error) error {
	return c.DoTimeout(ctx, c.timeout, fn)
}

// DoTimeout is Do with a time-out of its own, for work that may take longer
// than a request can wait, such as a purge.
func (c *Client) DoTimeout(ctx context.Context, timeout time.Duration, fn func(ctx context.Context, rdb redis.Cmdable) error) error {
	if c.breaker.open.Load() {
		c.metrics.unavailable.Inc()
		return ErrUnavailable
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, timeout)
	err := fn(bounded, c.rdb)
	cancel()
	c.metrics.seconds.Observe(time.Since(began).Seconds())
	c.settle(ctx, err)
	return err
}

// settle tells the breaker what became of a call.
func (c *Client) settle(ctx context.Context, err error) {
	switch outcomeOf(ctx, err) {
	case outcomeOK:
		c.breaker.success()
	case outcomeReply:
		c.metrics.reply.Inc()
		c.breaker.success()
	case outcomeTimeout:
		c.metrics.timeout.Inc()
		c.fail(err)
	case outcomeFailed:
		c.metrics.failed.Inc()
		c.fail(err)
	case outcomeCancelled:
	}
}

func (c *Client) fail(err error) {
	if c.breaker.failure() {
		c.away(err)
		c.registry.spawn(c.probe)
	}
}

// away notes that the server cannot be used, and says so once.
func (c *Client) away(err error) {
	if c.turn(stateAway) != stateAway {
		c.registry.cfg.Log.Warn("Redis cannot be used: the cache passes requests on, and limits do as fault_tolerant says",
			"address", c.options.Address(), "database", c.options.Database, "tls", c.options.TLS, "error", err)
	}
}

// back notes that the server answers.
func (c *Client) back() {
	if c.turn(stateUp) == stateAway {
		c.registry.cfg.Log.Info("Redis can be used again", "address", c.options.Address(), "database", c.options.Database)
	}
}

// turn changes what is known of the server, and returns what was.
func (c *Client) turn(state int32) (before int32) {
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	if before = c.state.Swap(state); before != state {
		c.registry.show(c.options.Address())
	}
	return before
}

// Subscribe calls receive with each message of a channel until ctx ends or the
// client does. Messages sent while the connection was down are lost:
// connected is called each time it stands anew, also the first time, so that
// the caller can catch up; its error makes the subscription start again. Both
// are called on the caller's goroutine: Subscribe returns when it is over.
func (c *Client) Subscribe(ctx context.Context, channel string, connected func(ctx context.Context) error, receive func(payload string)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	for ctx.Err() == nil {
		if c.Available() {
			c.subscribeOnce(ctx, channel, connected, receive)
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.registry.cfg.BreakFor):
		}
	}
}

func (c *Client) subscribeOnce(ctx context.Context, channel string, connected func(context.Context) error, receive func(string)) {
	ps := c.rdb.Subscribe(ctx, channel)
	// Closing is what wakes a blocked read when ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = ps.Close() })
	defer func() {
		if stop() {
			_ = ps.Close()
		}
	}()
	if _, err := ps.ReceiveTimeout(ctx, c.dial); err != nil {
		return
	}
	if connected(ctx) != nil {
		return
	}
	for {
		// A connection that says nothing for a while is asked whether it
		// lives: a cut link would otherwise be silence for ever.
		msg, err := ps.ReceiveTimeout(ctx, subscriptionIdle)
		if err != nil {
			if !isTimeout(err) || ctx.Err() != nil || ps.Ping(ctx) != nil {
				return
			}
			if msg, err = ps.ReceiveTimeout(ctx, c.dial); err != nil {
				return
			}
		}
		if m, ok := msg.(*redis.Message); ok {
			receive(m.Payload)
		}
	}
}

const subscriptionIdle = 5 * time.Second
