package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Revision is one change of one entity.
type Revision struct {
	ID        int64          `json:"id"`
	At        time.Time      `json:"at"`
	Actor     string         `json:"actor"`
	Entity    string         `json:"entity"`
	EntityID  string         `json:"entity_id"`
	Operation string         `json:"operation"` // insert, update or delete
	Before    map[string]any `json:"before,omitempty"`
	After     map[string]any `json:"after,omitempty"`
}

// Revisions returns at most size changes, the newest first, of those before the
// given one; 0: from the newest.
func (p *Postgres) Revisions(ctx context.Context, before int64, size int) ([]Revision, error) {
	var out []Revision
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, `SELECT id, at, actor, entity, entity_id::text, operation, before, after
			FROM revisions WHERE $1 = 0 OR id < $1 ORDER BY id DESC LIMIT $2`, before, size)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Revision])
		return err
	})
	if err != nil && !errors.Is(err, ErrPoolExhausted) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return out, err
}
