package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatelab/gatelab/harness/internal/topology"
)

// KindDiskFull keeps the tables of Postgres from growing.
const KindDiskFull = "disk-full"

// fullDisk moves the gateways' tables onto a small disk, which is a tablespace
// on a file system in memory, and fills it. Only what belongs to the tables can
// then not grow: the write-ahead log lies elsewhere, so that Postgres keeps running
// and answers reads.
type fullDisk struct {
	base
	dsn    string
	conn   *pgx.Conn
	made   bool // the tablespace, for all that is known
	filled bool
}

const (
	makeFiller   = "CREATE TABLE gatelab_filler (v text) TABLESPACE gatelab_small"
	externFiller = "ALTER TABLE gatelab_filler ALTER v SET STORAGE EXTERNAL" // what compresses does not fill
	dropFiller   = "DROP TABLE IF EXISTS gatelab_filler"
)

func makeDiskFull(s Spec, l Lab) (Fault, error) {
	dsn, err := postgresDSN(s, l)
	if err != nil {
		return nil, err
	}
	return &fullDisk{base: base{s.Kind, s.Target}, dsn: dsn}, nil
}

func (f *fullDisk) EffectWithin() time.Duration { return 30 * time.Second }

// Setup moves the tables; each is locked for the moment of its copying.
func (f *fullDisk) Setup(ctx context.Context) (err error) {
	if err := f.connect(ctx); err != nil {
		return err
	}
	_, err = f.conn.Exec(ctx, "CREATE TABLESPACE gatelab_small LOCATION '"+topology.SmallDisk+"'")
	var refused *pgconn.PgError
	if errors.As(err, &refused) && ctx.Err() == nil {
		return errors.Join(fmt.Errorf("the node has no small disk at %s: %w", topology.SmallDisk, err), f.conn.Close(ctx))
	}
	f.made = true
	if err != nil { // cut short: it is unknown how far it got
		return errors.Join(err, Clean(ctx, f))
	}
	if err := f.all(ctx,
		"ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE gatelab_small",
		"ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE gatelab_small",
		makeFiller, externFiller,
	); err != nil {
		return errors.Join(err, Clean(ctx, f))
	}
	return nil
}

// connect gets a connection in place of the one before: a statement that is cut
// short takes its connection along.
func (f *fullDisk) connect(ctx context.Context) (err error) {
	if f.conn != nil {
		_ = f.conn.Close(ctx) // the server notices the end either way
	}
	f.conn, err = pgx.Connect(ctx, f.dsn)
	return err
}

// Inject fills the disk with rows of a MiB, then smaller ones.
func (f *fullDisk) Inject(ctx context.Context) error {
	f.filled = true
	for _, size := range []int{1 << 20, 64 << 10, 4 << 10, 100} {
		for {
			err := f.grow(ctx, size)
			if isState(err, diskIsFull) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fullDisk) grow(ctx context.Context, size int) error {
	_, err := f.conn.Exec(ctx, "INSERT INTO gatelab_filler SELECT repeat('x', $1::int)", size)
	return err
}

func (f *fullDisk) Effect(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		err := f.grow(ctx, 100<<10)
		return isState(err, diskIsFull), "there is still room", err
	})
}

func (f *fullDisk) Recover(ctx context.Context) error {
	if !f.filled {
		return nil
	}
	if err := f.connect(ctx); err != nil {
		return err
	}
	// TRUNCATE would want room for the new, empty table.
	return f.all(ctx, dropFiller, makeFiller, externFiller)
}

func (f *fullDisk) Recovered(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		err := f.grow(ctx, 100<<10)
		return err == nil, "", err
	})
}

func (f *fullDisk) Cleanup(ctx context.Context) error {
	if !f.made {
		return nil
	}
	if err := f.connect(ctx); err != nil {
		return err
	}
	var there bool // a Setup may have failed before it was
	err := f.conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_tablespace WHERE spcname = 'gatelab_small'").Scan(&there)
	if err == nil && there {
		err = f.all(ctx,
			dropFiller,
			"ALTER TABLE ALL IN TABLESPACE gatelab_small SET TABLESPACE pg_default",
			"ALTER INDEX ALL IN TABLESPACE gatelab_small SET TABLESPACE pg_default",
			"DROP TABLESPACE gatelab_small",
		)
	}
	return errors.Join(err, f.conn.Close(ctx))
}

func (f *fullDisk) all(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if err := f.insist(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// maxDeadlocks is how often a statement may be the victim of a deadlock: tables
// are moved while they are written to, and each statement can be repeated.
const maxDeadlocks = 10

// insist repeats a statement that was the victim of a deadlock.
func (f *fullDisk) insist(ctx context.Context, sql string) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval = 20 * time.Millisecond
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		_, err := f.conn.Exec(ctx, sql)
		if err != nil && !isState(err, deadlockDetected) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(maxDeadlocks))
	return err
}
