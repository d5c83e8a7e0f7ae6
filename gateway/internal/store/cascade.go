package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// EntityChange is a change of one entity.
type EntityChange struct {
	Schema    *entity.Schema
	Operation string        // "insert", "update" or "delete"
	Before    entity.Record // nil for an insert
	After     entity.Record // nil for a deletion
}

// cascade returns the deletions that the database makes by itself when entities
// are deleted, those of what belongs to others first.
func (p *Postgres) cascade(ctx context.Context, tx pgx.Tx, s *entity.Schema, ids []any) ([]EntityChange, error) {
	children, bodies, err := p.children(ctx, tx, s, ids)
	if err != nil {
		return nil, err
	}
	var out []EntityChange
	seen := map[any]bool{}
	for i, child := range children {
		var below []any
		for _, raw := range bodies[i] {
			r, err := child.DecodeJSON(raw)
			if err != nil {
				return nil, err
			}
			if seen[r["id"]] {
				continue
			}
			seen[r["id"]] = true
			below = append(below, r["id"])
			out = append(out, EntityChange{Schema: child, Operation: "delete", Before: r})
		}
		if len(below) == 0 {
			continue
		}
		more, err := p.cascade(ctx, tx, child, below)
		if err != nil {
			return nil, err
		}
		out = append(more, out...)
	}
	return out, nil
}

// children returns the entities that are deleted with those, by schema and field, in one
// round trip.
func (p *Postgres) children(
	ctx context.Context, tx pgx.Tx, s *entity.Schema, ids []any,
) (of []*entity.Schema, bodies [][][]byte, err error) {
	var b pgx.Batch
	for _, child := range p.config.Schemas.Schemas() {
		for _, fk := range child.ForeignKeys() {
			if fk.Schema != s.Name || fk.OnDelete != "cascade" || child.Transient {
				continue
			}
			of = append(of, child)
			const sql = "SELECT body FROM %s WHERE %s = ANY($1::uuid[]) ORDER BY seq"
			b.Queue(fmt.Sprintf(sql, table(child), column(fk.Field)), texts(ids)).Query(func(rows pgx.Rows) error {
				found, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
				bodies = append(bodies, found)
				return err
			})
		}
	}
	return of, bodies, tx.SendBatch(ctx, &b).Close()
}
