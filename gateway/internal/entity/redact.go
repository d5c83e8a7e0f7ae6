package entity

// hidden stands where a secret was.
const hidden = "***"

// Redact is an entity without its secrets: every encrypted field that has a
// value shows *** instead.
func (s *Schema) Redact(r Record) Record {
	if r == nil {
		return nil
	}
	fields := s.Fields
	if s.Plugins {
		if name, _ := r["name"].(string); name != "" {
			if ps, ok := PluginSchema(name); ok {
				fields = withConfig(fields, ps.Fields)
			}
		}
	}
	out := clone(r).(map[string]any)
	redact(fields, out)
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
