package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrUnavailable is what Do returns, at once, while a server's breaker is open,
// and when the client was retired or its registry closed.
var ErrUnavailable = errors.New("redis is unavailable")

// Client is one Redis server. It is safe for concurrent use.
type Client struct {
	registry *Registry
	options  Options
	rdb      *redis.Client
	breaker  breaker
	metrics  clientMetrics
	ctx      context.Context // ends when the client is retired, or the registry closed
	cancel   context.CancelFunc
}

func newClient(r *Registry, o Options) *Client {
	opt := &redis.Options{
		Addr:     o.Address(),
		Username: o.Username,
		Password: o.Password,
		DB:       o.Database,
		Protocol: 2,
		// The breaker decides when to try again, not the pool.
		MaxRetries:            -1,
		DialerRetries:         1,
		DialTimeout:           r.cfg.DialTimeout,
		ReadTimeout:           r.cfg.Timeout,
		WriteTimeout:          r.cfg.Timeout,
		PoolTimeout:           r.cfg.Timeout,
		PoolSize:              r.cfg.PoolSize,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
	if o.TLS {
		opt.TLSConfig = &tls.Config{ServerName: o.Host, MinVersion: tls.VersionTLS12}
	}
	c := &Client{registry: r, options: o, rdb: redis.NewClient(opt)}
	c.ctx, c.cancel = context.WithCancel(r.ctx)
	c.breaker.after = int32(r.cfg.BreakAfter)
	c.metrics = r.metrics.client(o.Address())
	return c
}

// Options are those the client was asked for with.
func (c *Client) Options() Options { return c.options }

// Available is false while the breaker is open: Do would answer
// ErrUnavailable.
func (c *Client) Available() bool { return !c.breaker.open.Load() }

// Do runs fn with a connection pool of the server, under the registry's
// time-out (shorter if ctx ends earlier). It returns fn's error as it is, or
// ErrUnavailable without calling fn while the breaker is open. redis.Nil and
// an error reply of a living server do not count against the server; neither
// does a ctx that the caller cancelled.
func (c *Client) Do(ctx context.Context, fn func(ctx context.Context, rdb redis.Cmdable) error) error {
	return c.DoTimeout(ctx, c.registry.cfg.Timeout, fn)
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
		c.fail()
	case outcomeFailed:
		c.metrics.failed.Inc()
		c.fail()
	case outcomeCancelled:
	}
}

func (c *Client) fail() {
	if c.breaker.failure() {
		c.metrics.up.Set(0)
		c.registry.spawn(c.probe)
	}
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
	if _, err := ps.ReceiveTimeout(ctx, c.registry.cfg.DialTimeout); err != nil {
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
			if msg, err = ps.ReceiveTimeout(ctx, c.registry.cfg.DialTimeout); err != nil {
				return
			}
		}
		if m, ok := msg.(*redis.Message); ok {
			receive(m.Payload)
		}
	}
}

const subscriptionIdle = 5 * time.Second
