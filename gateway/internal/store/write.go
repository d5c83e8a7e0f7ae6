package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ownRows tells whether a part of an entity is in rows that have to be read first.
func ownRows(s *entity.Schema) bool { return s.Name == "certificates" }

// put stores a record with what is not in its own row, and makes revisions of
// that. old is what it replaces, nil for nothing. Revisions come last: see revise.
func put(ctx context.Context, tx pgx.Tx, s *entity.Schema, actor string, old, r entity.Record) error {
	if !ownRows(s) {
		w, err := newWriting(s, actor, old, r)
		if err != nil {
			return err
		}
		return w.send(ctx, tx)
	}
	keepSNIs(old, r)
	if err := write(ctx, tx, s, old, r); err != nil {
		return err
	}
	more, err := writeSNIs(ctx, tx, r)
	if err != nil {
		return err
	}
	w := &writing{}
	w.revise(s, actor, operationOf(old), old, r)
	for _, c := range more {
		w.revise(c.schema, actor, c.operation, c.before, c.after)
	}
	return w.send(ctx, tx)
}

func operationOf(old entity.Record) string {
	if old == nil {
		return "insert"
	}
	return "update"
}

// write inserts or updates the row of a record.
func write(ctx context.Context, tx pgx.Tx, s *entity.Schema, old, r entity.Record) error {
	sql, args, err := statement(s, old, r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sql, args...)
	return err
}

// statement is the SQL that write runs.
func statement(s *entity.Schema, old, r entity.Record) (sql string, args []any, err error) {
	kept := r
	if s.Name == "certificates" { // its SNIs are rows of their own
		kept = maps.Clone(r)
		delete(kept, "snis")
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return "", nil, err
	}
	columns := []string{"id", "body", "tags"}
	args = []any{r["id"], string(body), texts(r["tags"])}
	for _, name := range guarded(s) {
		columns = append(columns, column(name))
		v := r[name]
		if m, ok := v.(map[string]any); ok {
			v = m["id"]
		}
		args = append(args, v)
	}
	// An update that does not set the ttl must not postpone the expiry.
	setEnd := s.Expires && (old == nil || r["ttl"] != old["ttl"])
	if setEnd {
		columns, args = append(columns, "expires_at"), append(args, r["ttl"])
	}
	places := make([]string, len(columns))
	for i := range columns {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	if setEnd {
		last := len(places) - 1
		places[last] = fmt.Sprintf("CASE WHEN $%[1]d::bigint > 0 THEN now() + $%[1]d::bigint * interval '1 second' END", last+1)
	}
	sql = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table(s), strings.Join(columns, ", "), strings.Join(places, ", "))
	if old != nil {
		sets := make([]string, 0, len(columns)-1)
		for i := 1; i < len(columns); i++ {
			sets = append(sets, columns[i]+" = "+places[i])
		}
		sql = fmt.Sprintf("UPDATE %s SET %s WHERE id = $1", table(s), strings.Join(sets, ", "))
	}
	return sql, args, nil
}

// reviseQuery makes a revision of a change and notifies the replicas. The row of
// current_revision is locked until the commit, which makes the order of revisions
// that of commits; it is locked last, so that transactions wait for each other as
// briefly as possible. While a trial runs it makes none.
const reviseQuery = `WITH next AS (UPDATE current_revision SET id = id + 1 WHERE trial IS NULL RETURNING id),
	made AS (INSERT INTO revisions (id, actor, entity, entity_id, operation, before, after)
		SELECT id, $1, $2, $3, $4, $5, $6 FROM next RETURNING id)
	SELECT pg_notify('` + channel + `', id::text) FROM made`

// reviseArgs are those of reviseQuery. Secrets are not stored: the history has more
// readers than the entity, and outlives it.
func reviseArgs(s *entity.Schema, actor, op string, before, after entity.Record) []any {
	id := after["id"]
	if after == nil {
		id = before["id"]
	}
	return []any{actor, s.Name, id, op, jsonOrNull(s.Redact(before)), jsonOrNull(s.Redact(after))}
}

// revise makes a revision. While a trial runs the error is entity.TrialRunning.
func revise(ctx context.Context, tx pgx.Tx, s *entity.Schema, actor, op string, before, after entity.Record) error {
	tag, err := tx.Exec(ctx, reviseQuery, reviseArgs(s, actor, op, before, after)...)
	if err != nil || tag.RowsAffected() > 0 {
		return err
	}
	return trialRunning(ctx, tx)
}

func trialRunning(ctx context.Context, tx pgx.Tx) error {
	var name string
	const running = "SELECT t.name FROM current_revision c JOIN trials t ON t.id = c.trial"
	if err := tx.QueryRow(ctx, running).Scan(&name); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return entity.TrialRunning(name)
}

func jsonOrNull(r entity.Record) any {
	if r == nil {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return nil
	}
	return string(b) // bytes would be sent as bytea where types are not queried
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

// alsoGuarded are fields that are unique together with another one, by schema.
var alsoGuarded = map[string]string{"plugins": "name", "targets": "target", "acls": "group", "keys": "kid"}

// guarded returns the fields that have columns of their own.
func guarded(s *entity.Schema) []string {
	var names []string
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Kind == entity.Foreign || f.Unique || alsoGuarded[s.Name] == f.Name {
			names = append(names, f.Name)
		}
	}
	return names
}

// table and column quote names, which come from schemas only.
func table(s *entity.Schema) string { return pgx.Identifier{s.Name}.Sanitize() }
func column(name string) string     { return pgx.Identifier{name}.Sanitize() }
