package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pruning says which revisions stay in the history.
type Pruning struct {
	Keep    int           // so many of the newest; 0: all. A replica that missed more than 1000 reads everything
	KeepFor time.Duration // those that are not older; 0: of any age
	Every   time.Duration // interval; 0 is an hour
}

const (
	// pruneLock is the advisory lock of the replica that prunes.
	pruneLock = 5_210_770_413
	// pruneBatch is the number of revisions that one transaction deletes.
	pruneBatch = 1000
	// pruneRest is the pause between two transactions: the history may be long when
	// it is pruned for the first time, and writers must not be delayed.
	pruneRest = 200 * time.Millisecond
)

// Prune deletes old revisions soon after the start and then regularly, until ctx
// ends. One replica does it at a time. The newest revision always stays. A replica
// whose revision was deleted reads the whole configuration.
func (p *Postgres) Prune(ctx context.Context, c Pruning) error {
	if c.Keep <= 0 && c.KeepFor <= 0 {
		return nil
	}
	if c.Every <= 0 {
		c.Every = time.Hour
	}
	for wait := min(c.Every, time.Minute); ; wait = c.Every {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		total, err := p.pruneAll(ctx, c)
		if total > 0 {
			p.config.Log.Info("old revisions deleted", "revisions", total, "keep", c.Keep, "keep_for", c.KeepFor.String())
		}
		if err != nil && ctx.Err() == nil {
			p.config.Log.Warn("old revisions could not be deleted", "error", err, "retry_in", c.Every.String())
		}
	}
}

func (p *Postgres) pruneAll(ctx context.Context, c Pruning) (total int64, err error) {
	for {
		n, err := p.prune(ctx, c)
		total += n
		if err != nil || n < pruneBatch {
			return total, err
		}
		select {
		case <-ctx.Done():
			return total, nil
		case <-time.After(pruneRest):
		}
	}
}

// prune deletes what is too old, or too many, of the oldest pruneBatch revisions.
func (p *Postgres) prune(ctx context.Context, c Pruning) (n int64, err error) {
	err = p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		n = 0
		var mine bool
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(pruneLock)).Scan(&mine); err != nil || !mine {
			return err
		}
		tag, err := tx.Exec(ctx, `WITH newest AS (SELECT id FROM current_revision),
			oldest AS (SELECT id, at FROM revisions WHERE id < (SELECT id FROM newest) ORDER BY id LIMIT $1)
			DELETE FROM revisions WHERE id IN (SELECT id FROM oldest
				WHERE $2::bigint > 0 AND id <= (SELECT id FROM newest) - $2::bigint
				OR $3::bigint > 0 AND at < now() - $3::bigint * interval '1 second')`,
			pruneBatch, int64(c.Keep), int64(c.KeepFor/time.Second))
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, err
	}
	p.metrics.pruned.Add(float64(n))
	return n, nil
}
