package declarative

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Complete makes the entities of the file: references become ids, defaults are
// filled in, everything is checked. known is the configuration that the file
// replaces, which may be nil: entities of it keep their ids where the file names
// none, and what was generated for them. The error is Problems, with everything
// that is wrong, up to MaxProblems.
func (f *File) Complete(known *Set, now time.Time) (*Set, error) {
	if known == nil {
		known = NewSet(f.catalog)
	}
	c := &completion{file: f, known: known.index(), now: now, made: NewSet(f.catalog), ids: map[string]map[string]*item{},
		keys: map[string]map[string]*item{}, problems: slices.Clone(f.problems)}
	c.index()
	for _, s := range f.catalog.Schemas() { // each after those that it refers to
		for _, it := range f.items {
			if it.schema == s && len(c.problems) < MaxProblems {
				c.complete(it)
			}
		}
	}
	if len(c.problems) < MaxProblems {
		c.authorities()
		c.problems = append(c.problems, c.made.duplicates(f.items)...)
	}
	if len(c.problems) > 0 {
		slices.SortStableFunc(c.problems, func(a, b Problem) int { return comparePaths(a.Path, b.Path) })
		return nil, c.problems.bounded()
	}
	return c.made, nil
}

// completion is one call of Complete.
type completion struct {
	file     *File
	known    *index
	now      time.Time
	made     *Set
	ids      map[string]map[string]*item // schema -> id in the file
	keys     map[string]map[string]*item // schema -> endpoint key
	problems Problems
}

func (c *completion) index() {
	for _, it := range c.file.items {
		name := it.schema.Name
		if c.ids[name] == nil {
			c.ids[name], c.keys[name] = map[string]*item{}, map[string]*item{}
		}
		if id, ok := it.record["id"].(string); ok {
			c.ids[name][strings.ToLower(id)] = it
		}
		if k := it.key(); k != "" && c.keys[name][k] == nil {
			c.keys[name][k] = it
		}
	}
}

// find finds the entity of the file that a reference names: an id or an endpoint
// key, alone or as the member of an object.
func (c *completion) find(schema string, ref any) *item {
	if m, ok := ref.(map[string]any); ok {
		s, _ := c.file.catalog.ByName(schema)
		ref = m["id"]
		if ref == nil && s.EndpointKey != "" {
			ref = m[s.EndpointKey]
		}
	}
	text, ok := ref.(string)
	if !ok {
		return nil
	}
	return cmp.Or(c.ids[schema][strings.ToLower(text)], c.keys[schema][text])
}

// refer puts the ids of other entities in the place of references. It returns
// false where one of them is missing or has problems.
func (c *completion) refer(it *item, r entity.Record) bool {
	ok := true
	for _, fk := range it.schema.ForeignKeys() {
		target, ref := it.within[fk.Field], r[fk.Field]
		if target == nil && ref == nil {
			continue
		}
		if target == nil {
			target = c.find(fk.Schema, ref)
		}
		switch {
		case target == nil:
			message := fmt.Sprintf("no such entry in '%s': want the id or the name of one in this file", fk.Schema)
			c.problems = append(c.problems, it.problem(fk.Field, ref, message))
			delete(r, fk.Field)
			ok = false
		case target.id == "":
			ok = false
		default:
			r[fk.Field] = map[string]any{"id": target.id}
		}
	}
	return ok
}

// complete makes one entity.
func (c *completion) complete(it *item) {
	r := over(nil, it.record)
	if it.schema.Name == "certificates" {
		delete(r, "snis")
	}
	referred := c.refer(it, r)
	raw, err := json.Marshal(r)
	if err == nil {
		r, err = it.schema.DecodeJSON(raw) // shorthands
	}
	if err != nil {
		c.refuse(it, it.record, err)
		return
	}
	if !referred { // what else is wrong with it is worth knowing
		it.broken = true
		for _, fk := range it.schema.ForeignKeys() {
			if fk.Required && r[fk.Field] == nil {
				r[fk.Field] = map[string]any{"id": uuid.Nil.String()}
			}
		}
	}
	old := c.identify(it, r)
	keep(it.schema, old, r)
	schema := *it.schema
	if c.file.raw || sealed(&schema, old, r) {
		schema.Seal = nil
	}
	done, err := schema.ProcessInsert(r, c.now, it.id)
	if err != nil {
		c.refuse(it, r, err)
		return
	}
	if id, _ := done["id"].(string); id != "" {
		it.id = id
	}
	if it.broken {
		return
	}
	if old != nil && sameRecord(it.schema, old, done) {
		done = old
	}
	c.made.add(it.schema, done, it)
}

// refuse notes what a schema has against an entity.
func (c *completion) refuse(it *item, r entity.Record, err error) {
	var known *entity.Error
	if !errors.As(err, &known) {
		c.problems = append(c.problems, it.problem("", nil, err.Error()))
		return
	}
	name, _ := r["name"].(string)
	if _, has := c.file.catalog.Plugin(name); it.schema.HasPluginConfig() && name != "" && !has {
		message := "this gateway has no such plugin: it has " + strings.Join(c.file.catalog.PluginNames(), ", ")
		if instead := entity.InsteadOf(name); instead != "" {
			message = "this gateway has no such plugin: " + instead
		}
		p := it.problem("name", name, message)
		p.Unsupported = true
		c.problems = append(c.problems, p)
		return
	}
	c.problems = append(c.problems, fieldProblems(it, known, r)...)
}

// keep takes over what the gateway made for an entity that it has already.
func keep(s *entity.Schema, old, r entity.Record) {
	for i := range s.Fields {
		f := &s.Fields[i]
		if f.Auto && r[f.Name] == nil && old[f.Name] != nil && f.Name != "updated_at" {
			r[f.Name] = old[f.Name]
		}
	}
	if !s.HasPluginConfig() {
		return
	}
	had, _ := old["config"].(map[string]any)
	config, _ := r["config"].(map[string]any)
	for _, f := range s.FieldsOf(r) {
		if f.Name != "config" {
			continue
		}
		for i := range f.Fields {
			auto := &f.Fields[i]
			if !auto.Auto || config[auto.Name] != nil {
				continue
			}
			if config == nil {
				config = map[string]any{}
				r["config"] = config
			}
			switch {
			case had[auto.Name] != nil:
				config[auto.Name] = had[auto.Name]
			case !auto.Encrypted: // a secret is made of nothing that can be known
				config[auto.Name] = r["id"] // the same in every replica
			}
		}
	}
}

// sealed reports whether the secrets of r are those of old, as they are stored.
func sealed(s *entity.Schema, old, r entity.Record) bool {
	if old == nil || s.Seal == nil {
		return false
	}
	for i := range s.Fields {
		if f := &s.Fields[i]; f.Encrypted && old[f.Name] != r[f.Name] {
			return false
		}
	}
	return true
}

// authorities checks the lists of certificate authorities of services.
func (c *completion) authorities() {
	for _, it := range c.file.items {
		list, _ := it.record["ca_certificates"].([]any)
		if it.schema.Name != "services" {
			continue
		}
		for i, id := range list {
			if text, ok := id.(string); ok && c.ids["ca_certificates"][strings.ToLower(text)] == nil {
				c.problems = append(c.problems, it.problem(fmt.Sprintf("ca_certificates[%d]", i), id,
					"no such entry in 'ca_certificates': want the id of one in this file"))
			}
		}
	}
}

// comparePaths orders paths as the file does, as far as numbers go.
func comparePaths(a, b string) int {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	}
	return slices.CompareFunc(split(a), split(b), func(x, y string) int {
		if x != "" && y != "" && x[0] >= '0' && x[0] <= '9' {
			return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		}
		return cmp.Compare(x, y)
	})
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
