package declarative

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// namespace is that of Kong's ids for entities of a file: a file has the same ids
// here and there, wherever the entity has a name.
var namespace = uuid.MustParse("fd02801f-0957-4a15-a55a-c8d9606f30b5")

// newID is a UUID of version 5 from the kind and the key of an entity.
func newID(schema, key string) string {
	return uuid.NewSHA1(uuid.NewSHA1(namespace, []byte(schema)), []byte(key)).String()
}

// identify gives an item its id, and returns the entity that it replaces, nil for
// none.
func (c *completion) identify(it *item, r entity.Record) entity.Record {
	if id, ok := r["id"].(string); ok {
		it.id = strings.ToLower(id)
		return c.known.byID[it.schema.Name][it.id]
	}
	key := identity(it.schema, r)
	if old := c.known.byIdentity[it.schema.Name][key]; old != nil && key != "" {
		it.id, _ = old["id"].(string)
		r["id"] = it.id
		return old
	}
	delete(r, "id")
	it.id = newID(it.schema.Name, kongKey(it.schema, r))
	for n := 2; key == "" && c.made.has(it.schema, it.id); n++ { // what cannot be told apart is told apart by its order
		it.id = newID(it.schema.Name, kongKey(it.schema, r)+"#"+strconv.Itoa(n))
	}
	r["id"] = it.id
	return c.known.byID[it.schema.Name][it.id]
}

// kongKey is what Kong makes an id of: the endpoint key, of a target with the
// upstream's id, of a plugin its name and references. Others, for which Kong takes
// a random id, are identified by what they say.
func kongKey(s *entity.Schema, r entity.Record) string {
	if f, ok := s.Field(s.EndpointKey); ok && r[f.Name] != nil {
		key, _ := r[f.Name].(string)
		if !f.Unique {
			for _, fk := range s.ForeignKeys() {
				if fk.OnDelete == "cascade" {
					key += ":" + refID(r, fk.Field)
				}
			}
		}
		return key
	}
	for _, set := range s.Unique {
		parts := []string{s.Name}
		for _, name := range set {
			if f, _ := s.Field(name); f != nil && f.Kind == entity.Foreign {
				parts = append(parts, refID(r, name))
				continue
			}
			text, _ := r[name].(string)
			parts = append(parts, text)
		}
		return strings.Join(parts, ":")
	}
	if username, ok := r["custom_id"].(string); ok {
		return s.Name + ":" + username
	}
	return content(r)
}

// content is an entity as text, without what the gateway fills in.
func content(r entity.Record) string {
	r = over(nil, r)
	for _, name := range []string{"id", "created_at", "updated_at", "tags"} {
		delete(r, name)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return string(raw)
}

// identity is what tells an entity from the others of its kind without an id, ""
// where nothing does: its key, or what is unique together.
func identity(s *entity.Schema, r entity.Record) string {
	if s.Name == "targets" || s.Name == "ca_certificates" || s.Name == "certificates" {
		return special(s, r)
	}
	if f, ok := s.Field(s.EndpointKey); ok && f.Unique {
		if key, is := r[f.Name].(string); is && key != "" {
			return "key:" + key
		}
	}
	if id, ok := r["custom_id"].(string); ok && s.Name == "consumers" {
		return "custom_id:" + id
	}
	if len(s.Unique) > 0 && r != nil {
		return kongKey(&entity.Schema{Name: s.Name, Fields: s.Fields, Unique: s.Unique}, r)
	}
	return ""
}

func special(s *entity.Schema, r entity.Record) string {
	text := func(name string) string { v, _ := r[name].(string); return v }
	if s.Name != "targets" {
		if text("cert") == "" {
			return ""
		}
		return "cert:" + strings.TrimSpace(text("cert"))
	}
	target := text("target")
	if n, err := entity.NormalizeTarget(target); err == nil {
		target = n
	}
	return target + ":" + refID(r, "upstream")
}

// refID is the id that a reference holds.
func refID(r entity.Record, field string) string {
	ref, _ := r[field].(map[string]any)
	id, _ := ref["id"].(string)
	return id
}
