package entity

import "strings"

// hidden stands where a secret was.
const hidden = "***"

// Redact is an entity without its secrets: every encrypted field that has a
// value shows *** instead.
func (s *Schema) Redact(r Record) Record {
	if r == nil {
		return nil
	}
	out := clone(r).(map[string]any)
	redact(s.fieldsOf(r), out)
	return out
}

func redact(fields []Field, r Record) {
	for i := range fields {
		f := &fields[i]
		v := r[f.Name]
		if v == nil {
			continue
		}
		if f.Encrypted {
			r[f.Name] = hidden
			continue
		}
		if sub, ok := v.(map[string]any); ok && f.Kind == Rec {
			redact(f.Fields, sub)
		}
	}
}

// Conceal returns a copy of an entity for an error that shows values: without those
// of unknown fields, whose names may be misspelt ones of secrets, and with a mark
// in the place of secrets, of all that may be read from a vault, and of a URL with
// a password.
func (s *Schema) Conceal(r Record) Record {
	out, _ := clone(r).(map[string]any)
	conceal(s.fieldsOf(r), out)
	return out
}

func conceal(fields []Field, r Record) {
	known := make(map[string]*Field, len(fields))
	for i := range fields {
		known[fields[i].Name] = &fields[i]
	}
	for name, v := range r {
		f := known[name]
		if text, ok := v.(string); f == nil && ok && name == "url" && !strings.Contains(text, "@") {
			continue // the shorthand of services
		}
		switch {
		case f == nil:
			delete(r, name)
		case v != nil:
			r[name] = f.concealed(v)
		}
	}
}

func (f *Field) concealed(v any) any {
	if f.Encrypted || f.Referenceable {
		return hidden
	}
	m, isMap := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case f.Kind == Rec && isMap:
		conceal(f.Fields, m)
	case f.Kind == Rec:
		return hidden // in the place of a record with secrets
	case f.Elements != nil && isMap:
		for k, e := range m {
			m[k] = f.Elements.concealed(e)
		}
	case f.Elements != nil && isList:
		for i, e := range list {
			list[i] = f.Elements.concealed(e)
		}
	case f.Elements != nil && f.Elements.Referenceable:
		return hidden
	}
	return v
}

// Reveal returns a redacted entity with the secrets of from, another version of it,
// which may be nil. lost are the fields whose secrets are not known.
func (s *Schema) Reveal(r, from Record) (out Record, lost []string) {
	out = clone(r).(map[string]any)
	reveal(s.fieldsOf(r), out, from, "", &lost)
	return out, lost
}

func reveal(fields []Field, r, from Record, at string, lost *[]string) {
	for i := range fields {
		f := &fields[i]
		if sub, ok := r[f.Name].(map[string]any); ok && f.Kind == Rec {
			old, _ := from[f.Name].(map[string]any)
			reveal(f.Fields, sub, old, at+f.Name+".", lost)
			continue
		}
		if !f.Encrypted || r[f.Name] != hidden {
			continue
		}
		if v := from[f.Name]; v != nil && v != hidden {
			r[f.Name] = v
			continue
		}
		*lost = append(*lost, at+f.Name)
	}
}
