package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// mostNumber is the highest revision or position that a backup may have. Beyond the
// highest that Postgres can count no change would be possible any more.
const mostNumber = 1 << 53

// checkRestored checks what a backup has brought, before it is committed: a file may
// have been written by something else, and its check sum be right. Each entity has to
// be readable, and its columns, which guard keys and references, have to say what it
// says. The error is ErrBackup.
func (p *Postgres) checkRestored(ctx context.Context, tx pgx.Tx, info *BackupInfo) error {
	var first, last int64
	if err := tx.QueryRow(ctx, "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM revisions").Scan(&first, &last); err != nil {
		return err
	}
	if first < 1 || last > info.Revision || info.Revision > mostNumber {
		return fmt.Errorf("%w: it is of revision %d, and has revisions from %d to %d: "+
			"want them from 1 to that of the backup, which is %d at most",
			ErrBackup, info.Revision, first, last, int64(mostNumber))
	}
	for _, s := range p.config.Schemas.Schemas() {
		if err := checkColumns(ctx, tx, s); err != nil {
			return err
		}
	}
	if _, err := p.contents(ctx, tx); err != nil {
		return fmt.Errorf("%w: %w", ErrBackup, err)
	}
	var b pgx.Batch
	newCachedConfig().queueAll(&b) // as replicas do
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("%w: %w", ErrBackup, err)
	}
	return nil
}

// checkColumns compares the columns of a table with its entities.
func checkColumns(ctx context.Context, tx pgx.Tx, s *entity.Schema) error {
	differs := []string{"lower(body->>'id') IS DISTINCT FROM id::text"}
	for _, name := range guarded(s) {
		value := "body->>'" + name + "'"
		if f, _ := s.Field(name); f.Kind == entity.Foreign {
			value = "lower(body->'" + name + "'->>'id')"
		}
		differs = append(differs, value+" IS DISTINCT FROM "+column(name)+"::text")
	}
	const sql = "SELECT coalesce(min(id::text) FILTER (WHERE %s), ''), coalesce(max(seq), 0) FROM %s"
	var id string
	var last int64
	if err := tx.QueryRow(ctx, fmt.Sprintf(sql, strings.Join(differs, " OR "), table(s))).Scan(&id, &last); err != nil {
		return err
	}
	switch {
	case id != "":
		return fmt.Errorf("%w: the columns of %s %s are not those of its body", ErrBackup, s.Singular, id)
	case last > mostNumber:
		return fmt.Errorf("%w: %s has the position %d: want %d at most", ErrBackup, s.Name, last, int64(mostNumber))
	}
	return nil
}
