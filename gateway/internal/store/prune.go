package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pruning says which revisions are kept.
type Pruning struct {
	Keep    int           // the newest so many; 0: any number. Replicas catch up with up to 1000 one by one
	KeepFor time.Duration // those of so long ago at most; 0: of any age
	Every   time.Duration // between two looks; 0 is an hour
}

const (
	// pruneLock is the advisory lock of the replica that prunes.
	pruneLock = 5_210_770_413
	// pruneBatch is how many revisions one transaction removes.
	pruneBatch = 1000
	// pruneRest is the pause between two of them: the history may be long when
	// it is pruned for the first time, and writers are to notice nothing.
	pruneRest = 200 * time.Millisecond
)

// Prune removes old revisions, first soon after the start and then every so
// often, until ctx ends. Of the replicas, one at a time does it. The newest
// revision always stays. A replica that knows only one that is gone reads the
// whole configuration.
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
			p.config.Log.Info("old revisions were removed", "revisions", total, "keep", c.Keep, "keep_for", c.KeepFor.String())
		}
		if err != nil && ctx.Err() == nil {
			p.config.Log.Warn("old revisions could not be removed", "error", err, "again_in", c.Every.String())
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

// prune removes what is too old, or too many, of the oldest pruneBatch revisions.
// The oldest come first, so that nothing is searched through.
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
