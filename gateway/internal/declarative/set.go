package declarative

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Set is a whole configuration: the entities of each kind, in order.
type Set struct {
	Revision int64
	Records  map[string][]entity.Record // by the name of their schema

	catalog *entity.Catalog
	from    map[string]*item // id -> the item of a file
}

// NewSet makes an empty set.
func NewSet(c *entity.Catalog) *Set {
	return &Set{Records: map[string][]entity.Record{}, catalog: c, from: map[string]*item{}}
}

// Catalog returns the schemas of the entities.
func (s *Set) Catalog() *entity.Catalog { return s.catalog }

// Len is how many entities there are.
func (s *Set) Len() int {
	n := 0
	for _, list := range s.Records {
		n += len(list)
	}
	return n
}

func (s *Set) add(schema *entity.Schema, r entity.Record, from *item) {
	s.Records[schema.Name] = append(s.Records[schema.Name], r)
	id, _ := r["id"].(string)
	if s.from[schema.Name+id] == nil {
		s.from[schema.Name+id] = from
	}
}

func (s *Set) has(schema *entity.Schema, id string) bool { return s.from[schema.Name+id] != nil }

// Config returns the entities as the data plane reads them.
func (s *Set) Config() (*entity.Config, error) {
	c := &entity.Config{Revision: s.Revision}
	for name, list := range c.Lists() {
		records := s.Records[name]
		if schema, ok := s.catalog.ByName(name); ok && schema.Expires {
			records = withEnd(records)
		}
		raw, err := json.Marshal(records)
		if err == nil {
			err = json.Unmarshal(raw, list)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// Storable refuses what a database does not take from a file: what is made while the
// gateway runs. Without a database it is served from the file.
func (s *Set) Storable() error {
	var problems Problems
	for _, schema := range s.catalog.Schemas() {
		if n := len(s.Records[schema.Name]); schema.Transient && n > 0 {
			const text = "%d %s are not imported: the gateway makes them and keeps them in the database; POST /%s stores one"
			problems = append(problems, Problem{
				Field: schema.Name, Unsupported: true, Message: fmt.Sprintf(text, n, schema.Name, schema.CollectionPath()),
			})
		}
	}
	if problems == nil {
		return nil
	}
	return problems
}

// withEnd adds when credentials with a ttl end, counted from their creation.
func withEnd(records []entity.Record) []entity.Record {
	out := make([]entity.Record, len(records))
	for i, r := range records {
		out[i] = r
		ttl, _ := r["ttl"].(int64)
		created, _ := r["created_at"].(int64)
		if ttl > 0 {
			out[i] = over(r, map[string]any{"expires_at": (created + ttl) * 1000})
		}
	}
	return out
}

// index finds entities by id and by what tells them apart.
type index struct {
	byID, byIdentity map[string]map[string]entity.Record
}

func (s *Set) index() *index {
	x := &index{byID: map[string]map[string]entity.Record{}, byIdentity: map[string]map[string]entity.Record{}}
	for name, list := range s.Records {
		schema, ok := s.catalog.ByName(name)
		if !ok {
			continue
		}
		x.byID[name], x.byIdentity[name] = make(map[string]entity.Record, len(list)), make(map[string]entity.Record, len(list))
		for _, r := range list {
			id, _ := r["id"].(string)
			x.byID[name][id] = r
			if key := identity(schema, r); key != "" {
				x.byIdentity[name][key] = r
			}
		}
	}
	return x
}

// duplicates finds entities that are there twice, or share what must be unique.
func (s *Set) duplicates(items []*item) (out Problems) {
	path := map[string]*item{} // schema, id -> the first one
	for _, it := range items {
		if it.id == "" || it.broken {
			continue
		}
		key := it.schema.Name + it.id
		if first := path[key]; first != nil {
			out = append(out, it.problem("id", it.id, "the same "+it.schema.Singular+" as "+first.path+": each is declared once"))
			continue
		}
		path[key] = it
	}
	for name, list := range s.Records {
		schema, ok := s.catalog.ByName(name)
		if !ok {
			continue
		}
		for _, set := range uniqueSets(schema) {
			seen := map[string]*item{}
			for _, r := range list {
				id, _ := r["id"].(string)
				key, it := tuple(set, r), s.from[name+id]
				if key == "" || it == nil {
					continue
				}
				if first := seen[key]; first != nil && first != it {
					shown := schema.Redact(r)
					out = append(out, it.problem(strings.Join(set, ", "), shown[set[0]], "must be unique: "+first.path+" has the same"))
					continue
				}
				seen[key] = it
			}
		}
	}
	return out
}

func uniqueSets(s *entity.Schema) [][]string {
	sets := slices.Clone(s.Unique)
	for i := range s.Fields {
		if s.Fields[i].Unique {
			sets = append(sets, []string{s.Fields[i].Name})
		}
	}
	return sets
}

// tuple is the values of fields as text, "" where a single one is null.
func tuple(fields []string, r entity.Record) string {
	if len(fields) == 1 && r[fields[0]] == nil {
		return ""
	}
	values := make([]any, len(fields))
	for i, f := range fields {
		values[i] = r[f]
	}
	raw, _ := json.Marshal(values)
	return string(raw)
}

// sameRecord compares two entities but for their time of change.
func sameRecord(s *entity.Schema, a, b entity.Record) bool { return len(changedFields(s, a, b)) == 0 }

// changedFields are the fields in which two entities differ.
func changedFields(s *entity.Schema, a, b entity.Record) []string {
	var out []string
	fields := s.FieldsOf(b)
	for i := range fields {
		f := &fields[i]
		if f.Name == "updated_at" || f.Hidden {
			continue
		}
		if canonical(f, a[f.Name]) != canonical(f, b[f.Name]) {
			out = append(out, f.Name)
		}
	}
	return out
}

// canonical is a field's value as text: sets in order, without what is null.
func canonical(f *entity.Field, v any) string {
	raw, err := json.Marshal(settled(f, v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

func settled(f *entity.Field, v any) any {
	switch x := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(x))
		for k, e := range x {
			var sub *entity.Field
			if f != nil && f.Kind == entity.Rec {
				for i := range f.Fields {
					if f.Fields[i].Name == k {
						sub = &f.Fields[i]
					}
				}
			}
			if e != nil {
				m[k] = settled(sub, e)
			}
		}
		return m
	case []any:
		if f == nil || f.Kind != entity.Set {
			return x
		}
		texts := make([]string, len(x))
		for i, e := range x {
			texts[i] = canonical(f.Elements, e)
		}
		sort.Strings(texts)
		return texts
	}
	return v
}
