// Package store keeps entities in Postgres: one row an entity, real foreign
// keys, and a revision for every change, told to all replicas.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// ErrPoolExhausted says that no connection was free within the acquire
// time-out.
var ErrPoolExhausted = errors.New("no free connection to Postgres")

// ErrUnavailable says that Postgres could not be asked: not reached, not in
// time, or it serves nobody now.
var ErrUnavailable = errors.New("the database cannot be asked")

// ErrUnreadable says that an entity is stored that the data plane cannot read.
// Asking again does not help; the Admin API can mend it.
var ErrUnreadable = errors.New("the stored configuration cannot be read")

// Config is how Postgres is reached.
type Config struct {
	DSN            string        // connection string or URL
	MaxConns       int           // 0 is 16
	AcquireTimeout time.Duration // 0 is 1 s
	QueryTimeout   time.Duration // of what one request asks, once it has a connection; 0 is 5 s
	PollInterval   time.Duration // behind LISTEN; 0 is 5 s
	Log            *slog.Logger  // of a watch that loses its connection; nil: none
}

// Postgres is a store. It is safe for concurrent use.
type Postgres struct {
	config  Config
	pool    *pgxpool.Pool
	metrics *metrics

	reading chan struct{} // holds one while the configuration is read; guards kept
	kept    *kept         // nil: nothing was read yet
}

// Open makes the pool; it does not wait for Postgres. reg may be nil.
func Open(ctx context.Context, c Config, reg prometheus.Registerer) (*Postgres, error) {
	if c.MaxConns == 0 {
		c.MaxConns = 16
	}
	if c.AcquireTimeout == 0 {
		c.AcquireTimeout = time.Second
	}
	if c.QueryTimeout == 0 {
		c.QueryTimeout = 5 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.PollInterval == 0 {
		c.PollInterval = 5 * time.Second
	}
	pc, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("postgres connection string: %w", err)
	}
	pc.MaxConns = int32(min(c.MaxConns, 1<<20)) //nolint:gosec // bounded
	pc.MaxConnIdleTime = 5 * time.Minute
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = c.QueryTimeout
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("postgres pool: %w", err)
	}
	p := &Postgres{config: c, pool: pool, reading: make(chan struct{}, 1)}
	p.metrics = newMetrics(pool, reg)
	return p, nil
}

// Close closes the pool; it waits for connections in use.
func (p *Postgres) Close() { p.pool.Close() }

// Ping asks whether Postgres answers.
func (p *Postgres) Ping(ctx context.Context) error {
	return p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error { return c.Ping(ctx) })
}

// with lends a connection to do. It waits for one at most AcquireTimeout, and
// do's context ends QueryTimeout later: a Postgres that has stopped in the
// middle of an answer would be waited for without end.
func (p *Postgres) with(ctx context.Context, do func(context.Context, *pgxpool.Conn) error) error {
	return p.within(ctx, p.config.QueryTimeout, do)
}

func (p *Postgres) within(ctx context.Context, timeout time.Duration, do func(context.Context, *pgxpool.Conn) error) error {
	actx, cancel := context.WithTimeout(ctx, p.config.AcquireTimeout)
	began := time.Now()
	c, err := p.pool.Acquire(actx)
	cancel()
	p.metrics.acquired(time.Since(began))
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && p.full() {
			p.metrics.timeouts.Inc()
			return ErrPoolExhausted
		}
		return fmt.Errorf("connect to postgres: %w", err)
	}
	defer c.Release()
	qctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(qctx, c)
}

// full says that every connection the pool may have is made. One that another
// request has just given back counts too: it was in use while we waited. Where
// some are still being dialled, Postgres is what we waited for, not the pool.
func (p *Postgres) full() bool {
	s := p.pool.Stat()
	return s.AcquiredConns()+s.IdleConns() >= s.MaxConns()
}

const revisionQuery = "SELECT id FROM current_revision"

// Revision is the newest committed revision: one round trip through the pool.
// The error is ErrPoolExhausted when no connection was free in time.
func (p *Postgres) Revision(ctx context.Context) (id int64, err error) {
	err = p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, revisionQuery).Scan(&id)
	})
	return id, err
}

// transaction runs do in a transaction of its own.
func (p *Postgres) transaction(ctx context.Context, o pgx.TxOptions, do func(context.Context, pgx.Tx) error) error {
	return p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error { return transact(ctx, c, o, do) })
}

func transact(ctx context.Context, c *pgxpool.Conn, o pgx.TxOptions, do func(context.Context, pgx.Tx) error) error {
	tx, err := c.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = tx.Rollback(rctx)
	}()
	if err := do(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
