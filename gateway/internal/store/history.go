package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ErrNoRevision says that the history does not reach back to a revision, or that it
// does not exist yet.
var ErrNoRevision = errors.New("no such revision in the history")

// Lost is an entity of an older revision whose secrets the history does not have.
type Lost struct {
	Schema *entity.Schema
	Record entity.Record
	Fields []string
}

// At returns the entities as they were at an older revision, within the plan of
// Replace. Secrets are not in the history: those of entities that are still there
// are as they are now, others are lost.
func (c *Contents) At(ctx context.Context, revision int64) (map[string][]entity.Record, []Lost, error) {
	if revision < 0 || revision > c.Revision {
		return nil, nil, fmt.Errorf("%w: %d: want 0 to %d, the newest", ErrNoRevision, revision, c.Revision)
	}
	undo := newUndo(c)
	seen := int64(0)
	const sql = "SELECT entity, entity_id::text, operation, before, after FROM revisions WHERE id > $1 ORDER BY id DESC"
	rows, err := c.tx.Query(ctx, sql, revision)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var w wholeChange
		var before, after []byte
		if err := rows.Scan(&w.Entity, &w.EntityID, &w.Operation, &before, &after); err != nil {
			return nil, nil, err
		}
		seen++
		if err := undo.revision(w, before, after); err != nil {
			return nil, nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, err
	}
	if seen != c.Revision-revision {
		return nil, nil, fmt.Errorf("%w: %d: %d of the %d later ones were pruned (revisions_keep, revisions_keep_for)",
			ErrNoRevision, revision, c.Revision-revision-seen, c.Revision-revision)
	}
	records, lost := undo.result()
	return records, lost, nil
}

// undo goes back through the history.
type undo struct {
	store *Postgres
	order map[string][]string                 // schema -> ids, in order
	state map[string]map[string]entity.Record // schema -> id -> as it was
}

func newUndo(c *Contents) *undo {
	u := &undo{store: c.store, order: map[string][]string{}, state: map[string]map[string]entity.Record{}}
	for _, s := range c.store.config.Schemas.Schemas() {
		u.state[s.Name] = map[string]entity.Record{}
		for _, r := range c.Records[s.Name] {
			id, _ := r["id"].(string)
			u.order[s.Name] = append(u.order[s.Name], id)
			u.state[s.Name][id] = r
		}
	}
	return u
}

// revision undoes one revision.
func (u *undo) revision(w wholeChange, before, after []byte) error {
	if w.Entity == wholeEntity {
		var list struct {
			Changes []wholeChange `json:"changes"`
		}
		if err := json.Unmarshal(after, &list); err != nil {
			return fmt.Errorf("%w: a revision of %s: %w", ErrUnreadable, wholeEntity, err)
		}
		for i := len(list.Changes) - 1; i >= 0; i-- {
			raw, err := json.Marshal(list.Changes[i].Before)
			if err != nil {
				return err
			}
			if err := u.one(list.Changes[i], raw); err != nil {
				return err
			}
		}
		return nil
	}
	return u.one(w, before)
}

func (u *undo) one(w wholeChange, before []byte) error {
	s, ok := u.store.config.Schemas.ByName(w.Entity)
	if !ok {
		return nil // of a plugin that is there no longer
	}
	id, _ := w.EntityID.(string)
	if w.Operation == "insert" {
		delete(u.state[s.Name], id)
		return nil
	}
	r, err := s.DecodeJSON(before)
	if err != nil {
		return fmt.Errorf("%w: a revision of %s %s: %w", ErrUnreadable, s.Name, id, err)
	}
	now, known := u.state[s.Name][id]
	if !known {
		u.order[s.Name] = append(u.order[s.Name], id)
	}
	u.state[s.Name][id], _ = s.Reveal(r, now)
	return nil
}

func (u *undo) result() (out map[string][]entity.Record, lost []Lost) {
	out = map[string][]entity.Record{}
	for _, s := range u.store.config.Schemas.Schemas() {
		done := map[string]bool{}
		for _, id := range u.order[s.Name] {
			r, ok := u.state[s.Name][id]
			if !ok || done[id] {
				continue
			}
			done[id] = true
			if _, fields := s.Reveal(r, nil); len(fields) > 0 {
				lost = append(lost, Lost{s, r, fields})
			}
			out[s.Name] = append(out[s.Name], r)
		}
	}
	return out, lost
}
