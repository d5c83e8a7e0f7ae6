// Package store keeps entities in Postgres: a row per entity, real foreign keys,
// and a revision for every change, which all replicas are notified of.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ErrPoolExhausted says that no connection was free within the acquire
// time-out.
var ErrPoolExhausted = errors.New("no free connection to Postgres")

// ErrUnavailable says that Postgres was not reached, did not answer in time, or
// accepts no queries at the moment.
var ErrUnavailable = errors.New("the database is unavailable")

// ErrUnreadable says that a stored entity cannot be decoded. Retrying does not
// help; the entity can be corrected through the Admin API.
var ErrUnreadable = errors.New("the stored configuration cannot be decoded")

// ErrReadOnly is ErrUnavailable for writes only: Postgres rejects them.
var ErrReadOnly = fmt.Errorf(
	"%w: it is read-only, perhaps a standby; writes are rejected until the address leads to a primary", ErrUnavailable)

// Config is how Postgres is reached.
type Config struct {
	DSN            string        // connection string or URL
	MaxConns       int           // 0 is 16
	AcquireTimeout time.Duration // 0 is 1 s
	QueryTimeout   time.Duration // of one request's queries, once it has a connection; 0 is 5 s
	PollInterval   time.Duration // in addition to LISTEN; 0 is 5 s
	Log            *slog.Logger  // nil: none

	// Schemas are those of all entities: what is deleted with an entity is in the
	// history, too. nil is entity.Core().
	Schemas *entity.Catalog
}

// Postgres is a store in a Postgres database. It is safe for concurrent use.
type Postgres struct {
	config    Config
	pool      *pgxpool.Pool
	modes     *execModes
	metrics   *metrics
	resetAt   atomic.Int64 // when the pool was reset last, Unix ns
	reachable atomic.Bool  // Watch had an answer to its newest question
	issued    atomic.Int64 // tokens
	pollOnly  sync.Once    // logs once that no notifications arrive

	reading chan struct{} // holds one element while the configuration is read; guards cached
	cached  *cachedConfig // as it was last read; nil: not yet
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
	if c.Schemas == nil {
		c.Schemas = entity.Core()
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
	if p.modes, err = newExecModes(c.DSN); err != nil {
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

// Reachable reports whether Postgres answered the newest question of Watch, which
// asks every PollInterval on a connection of its own. It does not wait: metrics are
// scraped while every connection of the pool is in use, too.
func (p *Postgres) Reachable() bool { return p.reachable.Load() }

// full reports whether the pool has all the connections that it may have. One that
// was just returned counts too: it was in use during the wait. Where some are
// still being dialled, the wait was for Postgres, not for the pool.
func (p *Postgres) full() bool {
	s := p.pool.Stat()
	return s.AcquiredConns()+s.IdleConns() >= s.MaxConns()
}

const revisionQuery = "SELECT id FROM current_revision"

// Revision returns the newest committed revision: one round trip through the pool.
// The error is ErrPoolExhausted when no connection was free in time.
func (p *Postgres) Revision(ctx context.Context) (id int64, err error) {
	err = p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, revisionQuery).Scan(&id)
	})
	return id, err
}
