package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gatelab/gateway/internal/entity"
)

// Query narrows a list.
type Query struct {
	Foreign map[string]string // foreign field -> id of the other entity
	Tags    []string
	Tagged  bool  // only what has a tag at all
	AnyTag  bool  // one of the tags is enough; else all are wanted
	Size    int   // 1 to 1000
	After   int64 // position behind which to go on; 0: from the start
}

// List returns a page of entities in the order of their making, and the
// position to go on from; 0: that was all.
func (p *Postgres) List(ctx context.Context, s *entity.Schema, q Query) ([]entity.Record, int64, error) {
	where, args := []string{"seq > $1"}, []any{q.After}
	for field, id := range q.Foreign {
		args = append(args, id)
		where = append(where, fmt.Sprintf("%s = $%d", column(field), len(args)))
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
	sql := fmt.Sprintf("SELECT seq, body FROM %s WHERE %s ORDER BY seq LIMIT $%d", table(s), strings.Join(where, " AND "), len(args))
	var out []entity.Record
	var next int64
	err := p.transaction(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
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
// keys; nil when there is none.
func (p *Postgres) Select(ctx context.Context, s *entity.Schema, key string, foreign map[string]string) (entity.Record, error) {
	var r entity.Record
	err := p.with(ctx, func(ctx context.Context, c *pgxpool.Conn) (err error) {
		r, err = selectOne(ctx, c, s, key, foreign, "")
		return err
	})
	return r, kongError(s, err)
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func selectOne(ctx context.Context, q querier, s *entity.Schema, key string, foreign map[string]string, lock string) (entity.Record, error) {
	by := s.EndpointKey
	if _, err := uuid.Parse(key); err == nil && len(key) == 36 {
		by = "id"
	}
	if f, ok := s.Field(by); by != "id" && (!ok || !f.Unique && len(foreign) == 0) {
		// A key that is unique only below its parent (a target's) names
		// nothing by itself.
		return nil, nil
	}
	if strings.ContainsRune(key, 0) || !utf8.ValidString(key) {
		return nil, nil // no text column can hold it
	}
	where, args := column(by)+" = $1", []any{key}
	for field, id := range foreign {
		args = append(args, id)
		where += fmt.Sprintf(" AND %s = $%d", column(field), len(args))
	}
	var raw []byte
	err := q.QueryRow(ctx, "SELECT body FROM "+table(s)+" WHERE "+where+lock, args...).Scan(&raw)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.DecodeJSON(raw)
}

// Insert stores a new entity, whole as the schema made it.
func (p *Postgres) Insert(ctx context.Context, s *entity.Schema, r entity.Record, actor string) error {
	err := p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		if err := write(ctx, tx, s, r, false); err != nil {
			return err
		}
		return revise(ctx, tx, s, actor, "insert", nil, r)
	})
	return kongErrorOf(s, r, err)
}

// Change is what Modify decided: the entity as it shall be. nil keeps it.
type Change func(old entity.Record) (entity.Record, error)

// Modify changes the entity that key names, within the given foreign keys, in
// one transaction: change sees it locked, nil when there is none, and returns
// what is to be stored. It returns what was stored and whether it is new.
func (p *Postgres) Modify(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string, change Change) (entity.Record, bool, error) {
	stored, old, err := p.modify(ctx, s, key, foreign, actor, change)
	var pg *pgconn.PgError
	if old == nil && errors.As(err, &pg) && pg.Code == "23505" {
		// Another request may have made it between our look and our write:
		// then it is there to be changed, and an upsert must not fail.
		stored, old, err = p.modify(ctx, s, key, foreign, actor, change)
	}
	return stored, old == nil, kongErrorOf(s, stored, err)
}

func (p *Postgres) modify(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string, change Change) (stored, old entity.Record, err error) {
	err = p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) (err error) {
		if old, err = selectOne(ctx, tx, s, key, foreign, " FOR UPDATE"); err != nil {
			return err
		}
		if stored, err = change(old); err != nil || stored == nil {
			return err
		}
		op := "insert"
		if old != nil {
			op = "update"
		}
		if err := write(ctx, tx, s, stored, old != nil); err != nil {
			return err
		}
		return revise(ctx, tx, s, actor, op, old, stored)
	})
	return stored, old, err
}

// Delete removes an entity and what belongs to it. What is absent already is
// no error.
func (p *Postgres) Delete(ctx context.Context, s *entity.Schema, key string, foreign map[string]string, actor string) error {
	err := p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		old, err := selectOne(ctx, tx, s, key, foreign, " FOR UPDATE")
		if err != nil || old == nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM "+table(s)+" WHERE id = $1", old["id"]); err != nil {
			return err
		}
		return revise(ctx, tx, s, actor, "delete", old, nil)
	})
	return kongError(s, err)
}

// write inserts or updates the row of a record.
func write(ctx context.Context, tx pgx.Tx, s *entity.Schema, r entity.Record, exists bool) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	columns, args := []string{"id", "body", "tags"}, []any{r["id"], body, texts(r["tags"])}
	for _, name := range guarded(s) {
		columns = append(columns, column(name))
		v := r[name]
		if m, ok := v.(map[string]any); ok {
			v = m["id"]
		}
		args = append(args, v)
	}
	places := make([]string, len(columns))
	for i := range columns {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table(s), strings.Join(columns, ", "), strings.Join(places, ", "))
	if exists {
		sets := make([]string, 0, len(columns)-1)
		for i := 1; i < len(columns); i++ {
			sets = append(sets, columns[i]+" = "+places[i])
		}
		sql = fmt.Sprintf("UPDATE %s SET %s WHERE id = $1", table(s), strings.Join(sets, ", "))
	}
	_, err = tx.Exec(ctx, sql, args...)
	return err
}

// revise counts the change and tells it. The row of current_revision is locked
// until the commit, which makes the order of revisions that of commits. It is
// taken last, so that changes wait for each other as briefly as they can.
func revise(ctx context.Context, tx pgx.Tx, s *entity.Schema, actor, op string, before, after entity.Record) error {
	id := after["id"]
	if after == nil {
		id = before["id"]
	}
	var b pgx.Batch
	b.Queue("UPDATE current_revision SET id = id + 1")
	b.Queue("INSERT INTO revisions (id, actor, entity, entity_id, operation, before, after) SELECT id, $1, $2, $3, $4, $5, $6 FROM current_revision",
		actor, s.Name, id, op, jsonOrNull(before), jsonOrNull(after))
	b.Queue("SELECT pg_notify('" + channel + "', id::text) FROM current_revision")
	return tx.SendBatch(ctx, &b).Close()
}

func jsonOrNull(r entity.Record) any {
	if r == nil {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return b
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// guarded are the fields that are columns of their own.
func guarded(s *entity.Schema) []string {
	var names []string
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Kind == entity.Foreign || f.Unique || s.Name == "plugins" && f.Name == "name" || s.Name == "targets" && f.Name == "target" {
			names = append(names, f.Name)
		}
	}
	return names
}

// table and column quote names, which come from schemas only.
func table(s *entity.Schema) string { return pgx.Identifier{s.Name}.Sanitize() }
func column(name string) string     { return pgx.Identifier{name}.Sanitize() }

// kongError turns a database error into the one that Kong answers.
func kongError(s *entity.Schema, err error) error { return kongErrorOf(s, nil, err) }

func kongErrorOf(s *entity.Schema, r entity.Record, err error) error {
	var known *entity.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, ErrPoolExhausted) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || servesNobody(pg.Code) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch pg.Code {
	case "23505":
		return uniqueError(s, r, pg)
	case "23503":
		return foreignError(s, r, pg)
	case "22021", "22P05": // a NUL, or bytes that are no UTF-8
		return entity.SchemaError(map[string]any{"@entity": []any{"text must be valid UTF-8 without NUL"}})
	}
	return &entity.Error{Code: entity.CodeDatabase, Name: "database error", Message: "database error: " + pg.Message}
}

// servesNobody tells the errors of a server that will refuse the next question
// just the same: connection errors, no resources (too many clients), shutting
// down or starting, a database that takes no connections.
func servesNobody(code string) bool {
	switch code[:min(len(code), 2)] {
	case "08", "53":
		return true
	}
	return strings.HasPrefix(code, "57P") || code == "55000" || code == "3D000"
}

func uniqueError(s *entity.Schema, r entity.Record, pg *pgconn.PgError) error {
	fields := map[string]any{}
	for _, set := range append([][]string{{"id"}}, uniqueSets(s)...) {
		if strings.Contains(pg.Detail, "("+strings.Join(set, ", ")+")=") || pg.ConstraintName == "plugins_scope" && len(set) == 4 {
			for _, f := range set {
				if r[f] != nil {
					fields[f] = r[f]
				}
			}
		}
	}
	if _, ok := fields["id"]; ok && len(fields) == 1 {
		return &entity.Error{Code: entity.CodeUnique, Name: "primary key violation", Message: "primary key violation on key '" + braces(fields) + "'", Fields: fields}
	}
	return &entity.Error{Code: entity.CodeUnique, Name: "unique constraint violation", Message: "UNIQUE violation detected on '" + braces(fields) + "'", Fields: fields}
}

// braces writes fields as Kong's messages have them: {name="x"}.
func braces(fields map[string]any) string {
	parts := make([]string, 0, len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if m, ok := fields[k].(map[string]any); ok {
			parts = append(parts, k+"="+braces(m))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s=%q", k, fmt.Sprint(fields[k])))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func uniqueSets(s *entity.Schema) [][]string {
	sets := append([][]string(nil), s.Unique...)
	for i := range s.Fields {
		if s.Fields[i].Unique {
			sets = append(sets, []string{s.Fields[i].Name})
		}
	}
	return sets
}

func foreignError(s *entity.Schema, r entity.Record, pg *pgconn.PgError) error {
	if strings.Contains(pg.Detail, "is still referenced") {
		return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation",
			Message: fmt.Sprintf("an existing '%s' entity references this '%s' entity", pg.TableName, s.Name),
			Fields:  map[string]any{"@referenced_by": pg.TableName}}
	}
	for _, fk := range s.ForeignKeys() {
		if strings.Contains(pg.Detail, "("+fk.Field+")=") {
			ref, _ := r[fk.Field].(map[string]any)
			return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation",
				Message: fmt.Sprintf("the foreign key '%s' does not reference an existing '%s' entity.", braces(ref), fk.Schema),
				Fields:  map[string]any{fk.Field: r[fk.Field]}}
		}
	}
	return &entity.Error{Code: entity.CodeForeignKey, Name: "foreign key violation", Message: pg.Message}
}
