package store

import (
	"context"

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
	var out []EntityChange
	seen := map[any]bool{}
	for _, child := range p.config.Schemas.Schemas() {
		for _, fk := range child.ForeignKeys() {
			if fk.Schema != s.Name || fk.OnDelete != "cascade" || child.Transient {
				continue
			}
			rows, err := tx.Query(ctx, "SELECT body FROM "+table(child)+" WHERE "+column(fk.Field)+" = ANY($1::uuid[]) ORDER BY seq", texts(ids))
			if err != nil {
				return nil, err
			}
			bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
			if err != nil {
				return nil, err
			}
			var below []any
			for _, raw := range bodies {
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
	}
	return out, nil
}

// reviseAll makes a revision of each change.
func reviseAll(ctx context.Context, tx pgx.Tx, actor string, changes []EntityChange) error {
	for _, c := range changes {
		if c.Schema.Transient {
			continue
		}
		if err := revise(ctx, tx, c.Schema, actor, c.Operation, c.Before, c.After); err != nil {
			return err
		}
	}
	return nil
}
