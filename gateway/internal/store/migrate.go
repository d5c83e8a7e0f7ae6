package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema up to date. Replicas that start at once take
// turns: an advisory lock lets one migrate and the others find it done. The
// error is ErrExecMode where statements cannot be sent as the DSN says.
func (p *Postgres) Migrate(ctx context.Context) error {
	config, err := pgx.ParseConfig(p.config.DSN)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = p.config.QueryTimeout
	}
	if err := p.modes.set(ctx, config); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	turn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer closeConn(ctx, turn)
	pooled, err := p.modes.find(ctx, turn)
	if err == nil {
		err = p.modes.check(pooled)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(2)
	if err := inTurn(ctx, turn, func() error { return migrate(ctx, db) }); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// migrateWait is how long other replicas' migrations are waited for.
const migrateWait = time.Minute

// inTurn calls do while no other replica is in its turn. The lock is one of a
// transaction, which stays open meanwhile: a lock of the session would be left
// behind in a server of the pooler's, if there is one. Older versions take the
// same lock for their session.
func inTurn(ctx context.Context, c *pgx.Conn, do func() error) error {
	for deadline := time.Now().Add(migrateWait); ; {
		tx, err := c.Begin(ctx)
		if err != nil {
			return err
		}
		var mine bool
		if err = tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", lock.DefaultLockID).Scan(&mine); err == nil && mine {
			err = do()
		}
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_ = tx.Rollback(rctx)
		cancel()
		if err != nil || mine {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another process has been migrating for %s: see in pg_locks which one holds advisory lock %d",
				migrateWait, lock.DefaultLockID)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
