package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// with calls do with a connection of the pool. It waits for one at most
// AcquireTimeout, and do's context ends QueryTimeout later, because Postgres may
// stop in the middle of a response. A connection that is dead, or whose server
// has become read-only, is discarded, and do is called a second time with another
// one, unless its work may have been committed. So do must be repeatable.
func (p *Postgres) with(ctx context.Context, do func(context.Context, *pgxpool.Conn) error) error {
	return p.within(ctx, p.config.QueryTimeout, do)
}

func (p *Postgres) within(ctx context.Context, timeout time.Duration, do func(context.Context, *pgxpool.Conn) error) error {
	again, err := p.lend(ctx, timeout, do)
	if again && ctx.Err() == nil {
		p.metrics.retries.Inc()
		_, err = p.lend(ctx, timeout, do)
	}
	return err
}

// lend is one attempt of with. again says that another one may help and cannot
// repeat a commit.
func (p *Postgres) lend(ctx context.Context, timeout time.Duration, do func(context.Context, *pgxpool.Conn) error) (again bool, err error) {
	actx, cancel := context.WithTimeout(ctx, p.config.AcquireTimeout)
	began := time.Now()
	c, err := p.pool.Acquire(actx)
	cancel()
	p.metrics.acquired(time.Since(began))
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && p.full() {
			p.metrics.timeouts.Inc()
			return false, ErrPoolExhausted
		}
		return false, fmt.Errorf("connect to postgres: %w", err)
	}
	defer c.Release()
	qctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = do(qctx, c)
	// After a time-out, or when the client is gone, a second attempt is too late,
	// and pgx has closed the connection.
	if err == nil || qctx.Err() != nil || !p.isUnusable(c.Conn(), err) {
		return false, err
	}
	p.discard(ctx, c.Conn(), err)
	// pgconn.SafeToRetry is of no use here: it is also true of a COMMIT that was
	// sent before the connection ended.
	var doubt *commitError
	return !errors.As(err, &doubt), err
}

// isUnusable reports whether a connection cannot serve further requests: it is
// closed, or its server rejects this request and will reject others.
func (p *Postgres) isUnusable(c *pgx.Conn, err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return c.IsClosed() || pgconn.SafeToRetry(err)
	}
	if isPreparedStatementError(pg.Code) && !p.modes.fixed {
		p.modes.pooled.Store(pathPooled) // a pooler was put in between since it was detected
		return true
	}
	return c.IsClosed() || isReadOnly(pg.Code) || isClosing(pg.Code)
}

// isReadOnly reports whether code is that of a server that was a primary and is a
// standby now.
func isReadOnly(code string) bool { return code == "25006" }

// isClosing reports whether code is that of a server that ends this connection: shutting down
// (57P01 to 57P03), the database dropped, idle for too long, or a broken
// connection (class 08).
func isClosing(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "57P04", "57P05", "25P03":
		return true
	}
	return len(code) == 5 && code[:2] == "08"
}

// resetEvery bounds how often the pool is reset where many requests find their
// connections unusable at the same time.
const resetEvery = time.Second

// discard closes the connection and resets the pool: the other connections lead
// to the same server.
func (p *Postgres) discard(ctx context.Context, c *pgx.Conn, cause error) {
	closeConn(ctx, c)
	now, last := time.Now().UnixNano(), p.resetAt.Load()
	if now-last < int64(resetEvery) || !p.resetAt.CompareAndSwap(last, now) {
		return
	}
	p.metrics.resets.Inc()
	p.config.Log.Warn("connections to Postgres are unusable; reconnecting", "error", cause)
	p.pool.Reset()
}

// commitError is an error of a COMMIT: the transaction may have been committed.
type commitError struct{ error }

func (e *commitError) Unwrap() error { return e.error }
