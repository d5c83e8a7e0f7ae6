package entity

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
