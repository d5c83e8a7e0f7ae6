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

// with lends a connection to do. It waits for one at most AcquireTimeout, and
// do's context ends QueryTimeout later: a Postgres that has stopped in the
// middle of an answer would be waited for without end. A connection that turns
// out to be dead, or to lead to a server that takes no writes any more, is given
// up, and do is called a second time with another one, unless what it did may
// have been committed. do must therefore be able to begin anew.
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

// lend is one try. again says that another one may help, and cannot do anything
// twice.
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
	// Where time is up, or the client gone, a second try would be as late, and
	// pgx has closed the connection.
	if err == nil || qctx.Err() != nil || !p.useless(c.Conn(), err) {
		return false, err
	}
	p.giveUp(ctx, c.Conn(), err)
	// pgconn.SafeToRetry does not help: it is true, too, of a COMMIT that was sent
	// and whose answer was the end of the connection.
	var doubt *commitError
	return !errors.As(err, &doubt), err
}

// useless tells whether the connection can be used for the next request: not when
// it is closed, nor when its server refuses what this one and others will ask.
func (p *Postgres) useless(c *pgx.Conn, err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return c.IsClosed() || pgconn.SafeToRetry(err)
	}
	if misprepared(pg.Code) && !p.modes.named {
		p.modes.pooled.Store(wayPooled) // a pooler has come between since we looked
		return true
	}
	return c.IsClosed() || readOnly(pg.Code) || dying(pg.Code)
}

// readOnly is the code of a server that was a primary: the connection leads to a
// standby now, and would for as long as it is kept.
func readOnly(code string) bool { return code == "25006" }

// dying tells the codes of a server that ends this connection: shutting down
// (57P01 to 57P03), the database dropped, idle for too long, or a broken
// connection (class 08).
func dying(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "57P04", "57P05", "25P03":
		return true
	}
	return len(code) == 5 && code[:2] == "08"
}

// resetEvery is how often all connections are given up at most, where each of
// many requests finds that its own is of no use.
const resetEvery = time.Second

// giveUp closes the connection, and those that were made together with it: what
// has become of one server's connection has become of them all.
func (p *Postgres) giveUp(ctx context.Context, c *pgx.Conn, cause error) {
	shut(ctx, c)
	now, last := time.Now().UnixNano(), p.resetAt.Load()
	if now-last < int64(resetEvery) || !p.resetAt.CompareAndSwap(last, now) {
		return
	}
	p.metrics.resets.Inc()
	p.config.Log.Warn("the connections to Postgres are given up; new ones are made", "error", cause)
	p.pool.Reset()
}

// commitError is an error at the end of a transaction: it may have been
// committed.
type commitError struct{ error }

func (e *commitError) Unwrap() error { return e.error }
