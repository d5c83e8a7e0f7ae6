package dbless

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// list is the entities of one kind in their order, and an index of them.
type list struct {
	records []entity.Record
	byID    map[string]entity.Record
	byKey   map[string][]entity.Record // endpoint key, which may be unique only within a parent
}

func indexesOf(set *declarative.Set) map[string]*list {
	out := map[string]*list{}
	names := map[string][]any{} // certificate -> its SNIs
	for _, sni := range set.Records["snis"] {
		ref, _ := sni["certificate"].(map[string]any)
		id, _ := ref["id"].(string)
		names[id] = append(names[id], sni["name"])
	}
	for _, s := range set.Catalog().Schemas() {
		l := &list{byID: map[string]entity.Record{}, byKey: map[string][]entity.Record{}}
		for _, r := range set.Records[s.Name] {
			id, _ := r["id"].(string)
			if s.Name == "certificates" {
				r = withNames(r, names[id])
			}
			l.records = append(l.records, r)
			l.byID[id] = r
			if key, ok := r[s.EndpointKey].(string); ok {
				l.byKey[key] = append(l.byKey[key], r)
			}
		}
		out[s.Name] = l
	}
	return out
}

// withNames is a certificate as the Admin API shows it.
func withNames(r entity.Record, names []any) entity.Record {
	out := make(entity.Record, len(r)+1)
	for k, v := range r {
		out[k] = v
	}
	if names == nil {
		names = []any{}
	}
	out["snis"] = names
	return out
}

func (s *Store) of(schema *entity.Schema) *list {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if l := s.indexes[schema.Name]; l != nil {
		return l
	}
	return &list{}
}

// List returns a page of entities, as store.Postgres does.
func (s *Store) List(_ context.Context, schema *entity.Schema, q store.Query) ([]entity.Record, int64, error) {
	var out []entity.Record
	var last int64
	for i, r := range s.of(schema).records {
		at := int64(i + 1)
		if at <= q.After || !selected(r, &q) {
			continue
		}
		if len(out) == q.Size {
			return out, last, nil
		}
		out, last = append(out, r), at
	}
	return out, 0, nil
}

func selected(r entity.Record, q *store.Query) bool {
	for field, id := range q.Foreign {
		if !refersTo(r, field, id) {
			return false
		}
	}
	for field, value := range q.Equal {
		if r[field] != value {
			return false
		}
	}
	tags, _ := r["tags"].([]any)
	if q.Tagged && len(tags) == 0 {
		return false
	}
	have := map[any]bool{}
	for _, t := range tags {
		have[t] = true
	}
	found := 0
	for _, t := range q.Tags {
		if have[t] {
			found++
		}
	}
	if q.AnyTag {
		return found > 0 || len(q.Tags) == 0
	}
	return found == len(q.Tags)
}

func refersTo(r entity.Record, field, id string) bool {
	ref, _ := r[field].(map[string]any)
	return ref["id"] == id
}

// Select returns an entity by its id or endpoint key, within the given foreign
// keys, or nil.
func (s *Store) Select(_ context.Context, schema *entity.Schema, key string, foreign map[string]string) (entity.Record, error) {
	l := s.of(schema)
	var candidates []entity.Record
	if f, ok := schema.Field(schema.EndpointKey); ok && (f.Unique || len(foreign) > 0) {
		candidates = l.byKey[key] // a target's key is unique only within its upstream
	}
	if r := l.byID[strings.ToLower(key)]; r != nil {
		candidates = []entity.Record{r}
	}
	for _, r := range candidates {
		if selected(r, &store.Query{Foreign: foreign}) {
			return r, nil
		}
	}
	return nil, nil
}

// Unsupported is Kong's error for changes without a database; operation is create,
// update, create or update, remove.
func Unsupported(operation, schema string) error {
	return &entity.Error{Code: entity.CodeUnsupported, Name: "operation unsupported",
		Message: fmt.Sprintf("cannot %s '%s' entities when not using a database", operation, schema)}
}

// Insert, Modify and Delete change nothing.
func (s *Store) Insert(_ context.Context, schema *entity.Schema, _ entity.Record, _ string) error {
	return Unsupported("create", schema.Name)
}

// Modify is like Insert.
func (s *Store) Modify(
	_ context.Context, schema *entity.Schema, _ string, _ map[string]string, _ string, _ store.Change,
) (entity.Record, bool, error) {
	return nil, false, Unsupported("create or update", schema.Name)
}

// Delete is like Insert.
func (s *Store) Delete(_ context.Context, schema *entity.Schema, _ string, _ map[string]string, _ string) error {
	return Unsupported("remove", schema.Name)
}

// Revisions are none: there is no history.
func (s *Store) Revisions(context.Context, int64, int) ([]store.Revision, error) { return nil, nil }
