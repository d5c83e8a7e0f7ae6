package declarative

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Staged is a change of one entity that is to be made of a configuration.
type Staged struct {
	Entity    string          `json:"entity"`    // name of its schema, such as "routes"
	Operation string          `json:"operation"` // Create, Update or Delete
	Key       string          `json:"key"`       // id, or the endpoint key; of Create unused
	Body      json.RawMessage `json:"body"`      // the entity, or the fields that change
}

// Stage returns the configuration with changes, in their order. A reference may be an
// id or {"name": ...}. What belongs to a deleted entity goes as well. The error is
// Problems, with the position of the first change that cannot be made.
func (s *Set) Stage(changes []Staged, now time.Time) (*Set, error) {
	out := NewSet(s.catalog)
	out.Revision, out.Records = s.Revision, make(map[string][]entity.Record, len(s.Records))
	maps.Copy(out.Records, s.Records)
	for i := range changes {
		if err := out.stage(&changes[i], now); err != nil {
			return nil, stageProblem(i, &changes[i], err)
		}
	}
	return out, nil
}

func stageProblem(i int, c *Staged, err error) error {
	path := fmt.Sprintf("changes[%d]", i)
	return Problems{{Path: path, Entity: strings.TrimSpace(c.Entity + " " + c.Key), Message: err.Error()}}
}

func (s *Set) stage(c *Staged, now time.Time) error {
	schema, ok := s.catalog.ByName(c.Entity)
	if !ok || schema.Transient {
		return fmt.Errorf("entity %q: want the name of a collection, such as services, routes or plugins", c.Entity)
	}
	in := entity.Record{}
	if len(c.Body) > 0 {
		var err error
		if in, err = schema.DecodeJSON(c.Body); err != nil {
			return err
		}
	}
	if err := s.resolve(schema, in); err != nil {
		return err
	}
	if c.Operation == Create {
		r, err := schema.ProcessInsert(in, now, "")
		if err == nil {
			s.Records[schema.Name] = append(slices.Clone(s.Records[schema.Name]), r)
		}
		return err
	}
	at := s.find(schema, c.Key)
	if at < 0 {
		return fmt.Errorf("key %q: there is no such %s", c.Key, schema.Singular)
	}
	switch c.Operation {
	case Update:
		r, err := schema.ProcessUpdate(s.Records[schema.Name][at], in, now)
		if err != nil {
			return err
		}
		list := slices.Clone(s.Records[schema.Name])
		list[at] = r
		s.Records[schema.Name] = list
	case Delete:
		id, _ := s.Records[schema.Name][at]["id"].(string)
		return s.remove(schema, id)
	default:
		return fmt.Errorf("operation %q: want %s, %s or %s", c.Operation, Create, Update, Delete)
	}
	return nil
}

// find returns the index of an entity by its id or its endpoint key, -1 for none.
func (s *Set) find(schema *entity.Schema, key string) int {
	by := "id"
	if _, err := uuid.Parse(key); err != nil || len(key) != 36 {
		by = schema.EndpointKey
	} else {
		key = strings.ToLower(key)
	}
	if by == "" || key == "" {
		return -1
	}
	for i, r := range s.Records[schema.Name] {
		if r[by] == key {
			return i
		}
	}
	return -1
}

// resolve puts ids in the place of references by name.
func (s *Set) resolve(schema *entity.Schema, in entity.Record) error {
	for _, fk := range schema.ForeignKeys() {
		ref, ok := in[fk.Field].(map[string]any)
		if !ok {
			continue
		}
		parent, ok := s.catalog.ByName(fk.Schema)
		if !ok {
			continue
		}
		key, _ := ref["id"].(string)
		if key == "" {
			key, _ = ref[parent.EndpointKey].(string)
		}
		at := s.find(parent, key)
		if at < 0 {
			return fmt.Errorf("%s: there is no %s %q", fk.Field, parent.Singular, key)
		}
		in[fk.Field] = map[string]any{"id": s.Records[parent.Name][at]["id"]}
	}
	return nil
}

// remove deletes an entity with what belongs to it.
func (s *Set) remove(schema *entity.Schema, id string) error {
	for _, child := range s.catalog.Schemas() {
		for _, fk := range child.ForeignKeys() {
			if fk.Schema != schema.Name {
				continue
			}
			for _, r := range s.Records[child.Name] {
				if refID(r, fk.Field) != id {
					continue
				}
				if fk.OnDelete != "cascade" {
					return fmt.Errorf("a %s refers to it: %v", child.Singular, r["id"])
				}
				below, _ := r["id"].(string)
				if err := s.remove(child, below); err != nil {
					return err
				}
			}
		}
	}
	kept := make([]entity.Record, 0, len(s.Records[schema.Name]))
	for _, r := range s.Records[schema.Name] {
		if r["id"] != id {
			kept = append(kept, r)
		}
	}
	s.Records[schema.Name] = kept
	return nil
}
