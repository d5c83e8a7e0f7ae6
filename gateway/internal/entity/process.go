package entity

import (
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
	return s.seal(nil, in, r)
}

// seal completes an entity, and makes of it what is stored.
func (s *Schema) seal(old, sent, r Record) (Record, error) {
	r, err := s.complete(r)
	if err != nil || s.Seal == nil {
		return r, err
	}
	if errs := s.Seal(old, sent, r); len(errs) > 0 {
		return nil, SchemaError(errs)
	}
	return r, nil
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
	if p, ok := s.plugin(r); ok && p.NormalizePatch != nil {
		if config, ok := patch["config"].(map[string]any); ok {
			p.NormalizePatch(config)
		}
	}
	fields := s.fieldsOf(r)
	settle(fields, r)
	merge(fields, r, patch)
	if _, ok := s.Field("updated_at"); ok {
		r["updated_at"] = s.timestamp(now)
	}
	return s.seal(old, patch, r)
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
	if err := s.knownPlugin(r); err != nil {
		return nil, err
	}
	p, isPlugin := s.plugin(r)
	normalizeConfig := func() {
		if config, ok := r["config"].(map[string]any); ok && isPlugin && p.Normalize != nil {
			p.Normalize(config)
		}
	}
	fields := s.fieldsOf(r)
	normalizeConfig()
	if s.Before != nil {
		s.Before(r)
	}
	normalize(fields, r)
	fill(fields, r)
	normalizeConfig() // defaults may be in it now
	errs := check(fields, r)
	if errs == nil {
		errs = map[string]any{}
	}
	if isPlugin {
		for _, name := range p.unreferable() {
			if r[name] != nil {
				errs[name] = "value must be null"
			}
		}
	}
	if len(errs) == 0 {
		runChecks(s.Checks, r, errs)
		if isPlugin {
			config, _ := r["config"].(map[string]any)
			sub := map[string]any{}
			runChecks(p.Checks, config, sub)
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
	for name, set := range map[string]bool{
		"required": f.Required, "unique": f.Unique, "auto": f.Auto, "encrypted": f.Encrypted, "referenceable": f.Referenceable,
		"uuid": f.Match == "uuid",
	} {
		if set {
			d[name] = true
		}
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
