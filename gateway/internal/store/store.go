// Package store keeps entities in Postgres: one row an entity, real foreign
// keys, and a revision for every change, told to all replicas.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// ErrReadOnly is ErrUnavailable for writes alone: Postgres refuses them.
var ErrReadOnly = fmt.Errorf("%w: it is read-only, a standby perhaps; writes are refused until the address leads to a primary", ErrUnavailable)

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
	modes   *modes
	metrics *metrics
	resetAt atomic.Int64 // when all connections were given up last, Unix ns
	deaf    sync.Once    // that no notifications come was logged

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
	p := &Postgres{config: c, reading: make(chan struct{}, 1)}
	if p.modes, err = newModes(c.DSN); err != nil {
		return nil, fmt.Errorf("postgres connection string: %w", err)
	}
	pc.BeforeConnect = p.modes.set
	// A pooler may hand over what another client listens for.
	pc.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	if p.pool, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return nil, fmt.Errorf("postgres pool: %w", err)
	}
	p.metrics = newMetrics(p.pool, reg)
	return p, nil
}

// Close closes the pool; it waits for connections in use.
func (p *Postgres) Close() { p.pool.Close() }

// Ping asks whether Postgres answers.
func (p *Postgres) Ping(ctx context.Context) error {
	return p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error { return c.Ping(ctx) })
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
	if err := tx.Commit(ctx); err != nil {
		return &commitError{err}
	}
	return nil
}
