package declarative

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// WriteYAML writes a configuration as a file that Read accepts: entities in the
// order of the set, their fields in that of the schema, without what is null.
// Passwords are hashes, as _transform: false says.
func (s *Set) WriteYAML(w io.Writer) error {
	e := yaml.NewEncoder(w, yaml.IndentSequence(false), yaml.UseLiteralStyleIfMultiline(true))
	if err := e.Encode(s.document()); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return e.Close()
}

// WriteJSON is WriteYAML in JSON.
func (s *Set) WriteJSON(w io.Writer) error {
	var b bytes.Buffer
	if err := writeJSON(&b, s.document()); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	out.WriteByte('\n')
	_, err := out.WriteTo(w)
	return err
}

func writeJSON(b *bytes.Buffer, v any) error {
	switch x := v.(type) {
	case yaml.MapSlice:
		b.WriteByte('{')
		for i, e := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%q:", e.Key)
			if err := writeJSON(b, e.Value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case []yaml.MapSlice:
		b.WriteByte('[')
		for i := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, x[i]); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.Write(raw)
	}
	return nil
}

func (s *Set) document() yaml.MapSlice {
	doc := yaml.MapSlice{{Key: keyVersion, Value: "3.0"}, {Key: keyTransform, Value: false}}
	names := s.names()
	for _, schema := range s.catalog.Schemas() {
		list := s.Records[schema.Name]
		if len(list) == 0 {
			continue
		}
		out := make([]yaml.MapSlice, len(list))
		for i, r := range list {
			out[i] = ordered(schema, r, names)
		}
		doc = append(doc, yaml.MapItem{Key: schema.Name, Value: out})
	}
	return doc
}

// names are what references are written as: the names of entities, by id, where
// they have one that is no id itself.
func (s *Set) names() map[string]string {
	out := map[string]string{}
	for _, schema := range s.catalog.Schemas() {
		if f, ok := schema.Field(schema.EndpointKey); !ok || !f.Unique || f.Encrypted {
			continue
		}
		for _, r := range s.Records[schema.Name] {
			id, _ := r["id"].(string)
			if name, ok := r[schema.EndpointKey].(string); ok && len(name) != len(id) {
				out[schema.Name+id] = name
			}
		}
	}
	return out
}

// ordered is an entity with its fields in the schema's order.
func ordered(s *entity.Schema, r entity.Record, names map[string]string) yaml.MapSlice {
	var out yaml.MapSlice
	fields := s.FieldsOf(r)
	for i := range fields {
		f := &fields[i]
		v := r[f.Name]
		if v == nil || f.Hidden || f.Name == "updated_at" {
			continue
		}
		if f.Kind == entity.Foreign {
			id := refID(r, f.Name)
			if v = id; names[f.Reference+id] != "" {
				v = names[f.Reference+id]
			}
		} else {
			v = value(f, v)
		}
		out = append(out, yaml.MapItem{Key: f.Name, Value: v})
	}
	return out
}

// value is a field's value with the fields of records in order.
func value(f *entity.Field, v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	var out yaml.MapSlice
	seen := map[string]bool{}
	if f.Kind == entity.Rec {
		for i := range f.Fields {
			sub := &f.Fields[i]
			seen[sub.Name] = true
			if m[sub.Name] != nil {
				out = append(out, yaml.MapItem{Key: sub.Name, Value: value(sub, m[sub.Name])})
			}
		}
	}
	for _, k := range sortedKeys(m) {
		if !seen[k] && m[k] != nil {
			out = append(out, yaml.MapItem{Key: k, Value: m[k]})
		}
	}
	if out == nil {
		return map[string]any{}
	}
	return out
}
