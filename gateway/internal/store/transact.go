package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// transaction runs do in a transaction of its own.
func (p *Postgres) transaction(ctx context.Context, o pgx.TxOptions, do func(context.Context, pgx.Tx) error) error {
	return p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error { return transact(ctx, c, o, do) })
}

func transact(ctx context.Context, c *pgxpool.Conn, o pgx.TxOptions, do func(context.Context, pgx.Tx) error) error {
	return transactFrom(ctx, c, o, nil, do)
}

// transactFrom is transact of a transaction whose first statements are known when it
// begins: they are sent together with that. The database may be far away, and every
// round trip is a part of the time until a change is in effect. do runs once their
// results have been read. It may end the transaction with its own last statements.
func transactFrom(
	ctx context.Context, c *pgxpool.Conn, o pgx.TxOptions, first func(*pgx.Batch), do func(context.Context, pgx.Tx) error,
) error {
	var b pgx.Batch
	b.BeginTx(o)
	b.Queue(fmt.Sprintf("set local idle_in_transaction_session_timeout = %d", abandoned.Milliseconds()))
	if first != nil {
		first(&b)
	}
	results := c.SendBatch(ctx, &b)
	tx, conn := results.Tx(), c.Conn()
	defer func() {
		if conn.IsClosed() || conn.PgConn().TxStatus() == idle {
			return
		}
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = tx.Rollback(rctx)
	}()
	if err := results.Close(); err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil || conn.PgConn().TxStatus() == idle {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return &commitError{err}
	}
	return nil
}

// idle is the status of a connection that is in no transaction.
const idle = 'I'

// abandoned is how long a transaction may wait for its gateway. A gateway that is cut
// off in the middle of a write holds locks, for which the writes of all others wait;
// the server learns of the loss minutes later.
var abandoned = 10 * time.Second
