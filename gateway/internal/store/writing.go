package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// writing is the statements of a change, which are sent together. Postgres runs them in
// their order, and none after one that fails, whose error is that of all.
type writing struct {
	statements []boundStatement
	revisions  int // of the statements, the last ones
	made       int // revisions
}

type boundStatement struct {
	sql  string
	args []any
}

func (w *writing) add(sql string, args ...any) {
	w.statements = append(w.statements, boundStatement{sql, args})
}

// newWriting stores a record, and makes a revision of that. old is what it replaces,
// nil for nothing.
func newWriting(s *entity.Schema, actor string, old, r entity.Record) (*writing, error) {
	w := &writing{}
	if s.Expires {
		w.add(deleteExpiredQuery(s))
	}
	sql, args, err := statement(s, old, r)
	if err != nil {
		return nil, err
	}
	w.add(sql, args...)
	if s.Name == "services" {
		w.addAuthorities(r)
	}
	w.revise(s, actor, operationOf(old), old, r)
	return w, nil
}

// addAuthorities writes the authorities that a service trusts.
func (w *writing) addAuthorities(service entity.Record) {
	w.add("DELETE FROM "+authoritiesTable+" WHERE service = $1", service["id"])
	if ids := texts(service["ca_certificates"]); len(ids) > 0 {
		const columns = " (service, ca_certificate) SELECT DISTINCT $1::uuid, unnest($2::uuid[])"
		w.add("INSERT INTO "+authoritiesTable+columns, service["id"], ids)
	}
}

// revise makes a revision of a change, unless it is none of the configuration. Nothing
// else may be added after it: see reviseQuery.
func (w *writing) revise(s *entity.Schema, actor, op string, before, after entity.Record) {
	if s.Transient {
		return
	}
	w.add(reviseQuery, reviseArgs(s, actor, op, before, after)...)
	w.revisions++
}

// queue adds the statements to a batch.
func (w *writing) queue(b *pgx.Batch) {
	w.made = 0
	for i, s := range w.statements {
		q := b.Queue(s.sql, s.args...)
		if i >= len(w.statements)-w.revisions {
			q.Exec(func(tag pgconn.CommandTag) error {
				w.made += int(min(tag.RowsAffected(), 1))
				return nil
			})
		}
	}
}

// check is for the transaction of the batch, once it has succeeded. While a trial runs
// the error is entity.TrialRunning.
func (w *writing) check(ctx context.Context, tx pgx.Tx) error {
	if w.made < w.revisions {
		return trialRunning(ctx, tx)
	}
	return nil
}

// send runs the statements.
func (w *writing) send(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	w.queue(&b)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	return w.check(ctx, tx)
}

// deleteExpiredQuery deletes expired entities, so that their keys are free again. Rows
// that another transaction is deleting are left to it.
func deleteExpiredQuery(s *entity.Schema) string {
	const sql = "DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE expires_at <= now() FOR UPDATE SKIP LOCKED)"
	return fmt.Sprintf(sql, table(s))
}
