package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Query selects a page of a list.
type Query struct {
	Foreign map[string]string // foreign field -> id of the other entity
	Equal   map[string]string // unique field -> its value
	Tags    []string
	Tagged  bool  // only entities with tags
	AnyTag  bool  // one of Tags is enough; else all are needed
	Size    int   // 1 to 1000
	After   int64 // position after which the page begins; 0: the start
}

// List returns a page of entities in the order of their creation, and the position
// of the next page, 0 for none.
func (p *Postgres) List(ctx context.Context, s *entity.Schema, q Query) ([]entity.Record, int64, error) {
	where, args := []string{"seq > $1"}, []any{q.After}
	for field, id := range q.Foreign {
		args = append(args, id)
		where = append(where, fmt.Sprintf("%s = $%d", column(field), len(args)))
	}
	for field, value := range q.Equal {
		args = append(args, value)
		where = append(where, fmt.Sprintf("%s = $%d", column(field), len(args)))
	}
	if s.Expires {
		where = append(where, notExpired)
	}
	if len(q.Tags) > 0 {
		args = append(args, q.Tags)
		op := "@>"
		if q.AnyTag {
			op = "&&"
		}
		where = append(where, fmt.Sprintf("tags %s $%d", op, len(args)))
	}
	if q.Tagged {
		where = append(where, "cardinality(tags) > 0")
	}
	args = append(args, q.Size+1)
	sql := fmt.Sprintf("SELECT seq, %s FROM %s WHERE %s ORDER BY seq LIMIT $%d",
		bodyOf(s), table(s), strings.Join(where, " AND "), len(args))
	var out []entity.Record
	var next int64
	err := p.transaction(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		out, next = nil, 0
		var last int64
		for rows.Next() {
			var seq int64
			var raw []byte
			if err := rows.Scan(&seq, &raw); err != nil {
				return err
			}
			if len(out) == q.Size {
				next = last
				break
			}
			r, err := s.DecodeJSON(raw)
			if err != nil {
				return err
			}
			out, last = append(out, r), seq
		}
		rows.Close()
		return rows.Err()
	})
	return out, next, kongError(s, err)
}

// Select returns an entity by its id or endpoint key, within the given foreign
// keys, or nil.
func (p *Postgres) Select(ctx context.Context, s *entity.Schema, key string, foreign map[string]string) (entity.Record, error) {
	sql, args, ok := selection(s, key, foreign)
	if !ok {
		return nil, nil
	}
	var r entity.Record
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) (err error) {
		r, err = scanOne(c.QueryRow(ctx, sql, args...), s)
		return err
	})
	return r, kongError(s, err)
}

// queueSelect is Select with a lock, as part of a batch.
func queueSelect(b *pgx.Batch, s *entity.Schema, key string, foreign map[string]string, into *entity.Record) {
	*into = nil
	sql, args, ok := selection(s, key, foreign)
	if !ok {
		return
	}
	b.Queue(sql+" FOR UPDATE", args...).QueryRow(func(row pgx.Row) (err error) {
		*into, err = scanOne(row, s)
		return err
	})
}

// scanOne reads an entity, or nil where there is no row.
func scanOne(row pgx.Row, s *entity.Schema) (entity.Record, error) {
	var raw []byte
	err := row.Scan(&raw)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.DecodeJSON(raw)
}

// selection is the SQL of Select; false where no row can have that key.
func selection(s *entity.Schema, key string, foreign map[string]string) (sql string, args []any, ok bool) {
	by := s.EndpointKey
	if _, err := uuid.Parse(key); err == nil && len(key) == 36 {
		by = "id"
	}
	if f, ok := s.Field(by); by != "id" && (!ok || !f.Unique && len(foreign) == 0) {
		// A key that is unique only within its parent (a target's) is not enough.
		return "", nil, false
	}
	if strings.ContainsRune(key, 0) || !utf8.ValidString(key) {
		return "", nil, false // no text column can hold it
	}
	where, args := column(by)+" = $1", []any{key}
	for field, id := range foreign {
		args = append(args, id)
		where += fmt.Sprintf(" AND %s = $%d", column(field), len(args))
	}
	if s.Expires {
		where += " AND " + notExpired
	}
	return "SELECT " + bodyOf(s) + " FROM " + table(s) + " WHERE " + where, args, true
}

// Insert stores a new entity as the schema completed it.
func (p *Postgres) Insert(ctx context.Context, s *entity.Schema, r entity.Record, actor string) error {
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		if ownRows(s) {
			return transact(ctx, c, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error { return put(ctx, tx, s, actor, nil, r) })
		}
		w, err := newWriting(s, actor, nil, r)
		if err != nil {
			return err
		}
		return transactFrom(ctx, c, pgx.TxOptions{}, w.queue, w.check)
	})
	return kongErrorOf(s, r, err)
}

// Change returns an entity as it is to be stored; nil leaves it as it is.
type Change func(old entity.Record) (entity.Record, error)

// upsertRetries bounds how often an upsert is tried again while others create and
// delete the same entity.
const upsertRetries = 50

// Modify changes the entity with that key, within the given foreign keys, in one
// transaction: change gets it locked, or nil where there is none, and returns what
// is to be stored. Modify returns what was stored and whether it is new.
func (p *Postgres) Modify(
	ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string, change Change,
) (entity.Record, bool, error) {
	stored, old, err := p.modify(ctx, s, key, foreign, actor, change)
	for range upsertRetries {
		var pg *pgconn.PgError
		if old != nil || !errors.As(err, &pg) || pg.Code != "23505" {
			break
		}
		// Another request may have created it since it was selected: then it is
		// updated, because an upsert must not fail. A third one may have deleted it
		// since.
		stored, old, err = p.modify(ctx, s, key, foreign, actor, change)
	}
	return stored, old == nil, kongErrorOf(s, stored, err)
}

func (p *Postgres) modify(
	ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string, change Change,
) (stored, old entity.Record, err error) {
	find := func(b *pgx.Batch) { queueSelect(b, s, key, foreign, &old) }
	err = p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return transactFrom(ctx, c, pgx.TxOptions{}, find, func(ctx context.Context, tx pgx.Tx) (err error) {
			if stored, err = change(old); err != nil || stored == nil {
				return err
			}
			return put(ctx, tx, s, actor, old, stored)
		})
	})
	return stored, old, err
}

// Delete deletes an entity and what belongs to it. An absent entity is no error.
func (p *Postgres) Delete(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string) error {
	var old entity.Record
	find := func(b *pgx.Batch) { queueSelect(b, s, key, foreign, &old) }
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		return transactFrom(ctx, c, pgx.TxOptions{}, find, func(ctx context.Context, tx pgx.Tx) error {
			if old == nil {
				return nil
			}
			gone, err := p.cascade(ctx, tx, s, []any{old["id"]})
			if err != nil {
				return err
			}
			w := &writing{}
			w.add("DELETE FROM "+table(s)+" WHERE id = $1", old["id"])
			for _, c := range append(gone, EntityChange{Schema: s, Operation: "delete", Before: old}) {
				w.revise(c.Schema, actor, c.Operation, c.Before, c.After)
			}
			return w.send(ctx, tx)
		})
	})
	return kongError(s, err)
}
