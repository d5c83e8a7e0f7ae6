package entity

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ProcessInsert makes a whole entity of what a client sent: defaults, id and
// timestamps are filled in and everything is checked. An empty id gets a new
// UUID. The error is an *Error.
func (s *Schema) ProcessInsert(in Record, now time.Time, id string) (Record, error) {
	r := clone(in).(map[string]any)
	if given, ok := r["id"].(string); ok && id == "" {
		id = given
	}
	if id == "" {
		id = uuid.NewString()
	}
	r["id"] = id
	stamp := s.timestamp(now)
	if r["created_at"] == nil {
		r["created_at"] = stamp
	}
	if _, ok := s.Field("updated_at"); ok {
		r["updated_at"] = stamp
	}
	return s.complete(r)
}

// ProcessUpsert replaces an entity by what a client sent (PUT).
func (s *Schema) ProcessUpsert(id string, in Record, now time.Time) (Record, error) {
	return s.ProcessInsert(in, now, id)
}

// ProcessUpdate merges a patch into an entity: records deeply, all else is
// replaced.
func (s *Schema) ProcessUpdate(old, patch Record, now time.Time) (Record, error) {
	if len(patch) > 0 {
		if id, ok := patch["id"]; ok && !sameID(id, old["id"]) {
			return nil, SchemaError(map[string]any{"id": "immutable field cannot be updated"})
		}
	}
	r := clone(old).(map[string]any)
	patch = clone(patch).(map[string]any)
	fields := s.Fields
	if s.Plugins {
		if name, _ := r["name"].(string); name != "" {
			if ps, ok := PluginSchema(name); ok {
				fields = withConfig(fields, ps.Fields)
				if c, ok := patch["config"].(map[string]any); ok && ps.Patch != nil {
					ps.Patch(c)
				}
			}
		}
	}
	settle(fields, r)
	merge(fields, r, patch)
	if _, ok := s.Field("updated_at"); ok {
		r["updated_at"] = s.timestamp(now)
	}
	return s.complete(r)
}

// sameID compares ids as Postgres does: without regard to case.
func sameID(a, b any) bool {
	x, isText := a.(string)
	y, _ := b.(string)
	return isText && strings.EqualFold(x, y)
}

func merge(fields []Field, into, patch Record) {
	for k, v := range patch {
		f, _ := field(fields, k)
		sub, isMap := v.(map[string]any)
		have, hasMap := into[k].(map[string]any)
		if f != nil && f.Kind == Rec && isMap && hasMap {
			merge(f.Fields, have, sub)
			continue
		}
		if f != nil && f.Name == "id" && f.Match == "uuid" {
			continue // it is the same one, whatever its spelling
		}
		into[k] = v
	}
}

// complete fills defaults in and checks.
func (s *Schema) complete(r Record) (Record, error) {
	fields := s.Fields
	checks := s.Checks
	var plugin *Schema
	if s.Plugins {
		name, _ := r["name"].(string)
		if name != "" {
			ps, ok := PluginSchema(name)
			if !ok {
				return nil, SchemaError(map[string]any{"name": fmt.Sprintf("plugin '%s' not enabled; add it to the 'plugins' configuration property", name)})
			}
			plugin = ps
			fields = withConfig(fields, ps.Fields)
			if c, ok := r["config"].(map[string]any); ok && ps.Before != nil {
				ps.Before(c)
			}
		}
	}
	if s.Before != nil {
		s.Before(r)
	}
	normalise(fields, r)
	fill(fields, r)
	if plugin != nil {
		if c, ok := r["config"].(map[string]any); ok && plugin.Before != nil {
			plugin.Before(c)
		}
	}
	errs := check(fields, r)
	if errs == nil {
		errs = map[string]any{}
	}
	if plugin != nil && plugin.NoConsumer && r["consumer"] != nil {
		errs["consumer"] = "value must be null"
	}
	if len(errs) == 0 {
		runChecks(checks, r, errs)
		if plugin != nil {
			c, _ := r["config"].(map[string]any)
			sub := map[string]any{}
			runChecks(plugin.Checks, c, sub)
			if len(sub) > 0 {
				errs["config"] = sub
			}
		}
	}
	if len(errs) > 0 {
		return nil, SchemaError(errs)
	}
	return r, nil
}

func runChecks(checks []Check, r Record, errs map[string]any) {
	for _, c := range checks {
		for k, v := range c.Run(r) {
			if k == "@entity" {
				list, _ := errs[k].([]any)
				more, _ := v.([]any)
				errs[k] = append(list, more...)
				continue
			}
			errs[k] = v
		}
	}
}

// withConfig is the plugin entity's fields with the config of one plugin.
func withConfig(fields, config []Field) []Field {
	out := make([]Field, len(fields))
	copy(out, fields)
	for i := range out {
		if out[i].Name == "config" {
			out[i].Fields = config
		}
	}
	return out
}

// Describe is the schema as GET /schemas/{name} answers it.
func (s *Schema) Describe() map[string]any {
	d := map[string]any{"fields": describeFields(s.Fields)}
	var checks []any
	for _, c := range s.Checks {
		if c.Describe != nil {
			checks = append(checks, c.Describe)
		}
	}
	if checks != nil {
		d["entity_checks"] = checks
	}
	return d
}

func describeFields(fields []Field) []any {
	out := make([]any, 0, len(fields))
	for i := range fields {
		if !fields[i].Hidden && fields[i].Means == nil {
			out = append(out, map[string]any{fields[i].Name: describeField(&fields[i])})
		}
	}
	return out
}

func describeField(f *Field) map[string]any {
	d := map[string]any{"type": string(f.Kind)}
	if f.Default != nil {
		d["default"] = clone(f.Default)
	}
	if f.Required {
		d["required"] = true
	}
	if f.Unique {
		d["unique"] = true
	}
	if f.Auto {
		d["auto"] = true
	}
	if f.Encrypted {
		d["encrypted"] = true
	}
	if f.Referenceable {
		d["referenceable"] = true
	}
	if len(f.OneOf) > 0 {
		d["one_of"] = f.OneOf
	}
	if f.Only != nil {
		d["eq"] = f.Only.Value
	}
	if f.Exclusive != nil {
		d["mutually_exclusive_subsets"] = f.Exclusive
	}
	if f.Between != nil {
		d["between"] = []any{f.Between[0], f.Between[1]}
	}
	if f.LenMin > 0 {
		d["len_min"] = f.LenMin
	}
	if f.LenMax > 0 {
		d["len_max"] = f.LenMax
	}
	if f.Match == "uuid" {
		d["uuid"] = true
	}
	if f.Kind == Foreign {
		d["reference"] = f.Reference
		if f.OnDelete != "" {
			d["on_delete"] = f.OnDelete
		}
	}
	if f.Elements != nil {
		key := "elements"
		if f.Kind == Map {
			key = "values"
		}
		d[key] = describeField(f.Elements)
	}
	if f.Keys != nil {
		d["keys"] = describeField(f.Keys)
	}
	if f.Kind == Rec {
		d["fields"] = describeFields(f.Fields)
		if s := describeShorthands(f.Fields); s != nil {
			d["shorthand_fields"] = s
		}
	}
	return d
}

// describeShorthands are the fields that are other spellings.
func describeShorthands(fields []Field) []any {
	var out []any
	for i := range fields {
		f := &fields[i]
		if f.Means == nil {
			continue
		}
		d := describeField(f)
		d["translate_backwards"] = f.Means
		d["deprecation"] = map[string]any{
			"message":       f.Name + " is another spelling of " + strings.Join(f.Means, "."),
			"replaced_with": []any{map[string]any{"path": f.Means}},
		}
		out = append(out, map[string]any{f.Name: d})
	}
	return out
}
