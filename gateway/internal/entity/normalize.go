package entity

import (
	"math"
	"strings"
)

// normalize writes what has several spellings in one, so that comparing entities
// as text gives what Postgres, which compares uuids, gives: UUIDs are
// lower case, a reference is {"id"} and nothing else, an integer is an int64.
// What does not fit its field is left for the check to refuse.
func normalize(fields []Field, r Record) {
	for i := range fields {
		if v, ok := r[fields[i].Name]; ok {
			r[fields[i].Name] = fields[i].normalize(v)
		}
	}
}

func (f *Field) normalize(v any) any {
	switch x := v.(type) {
	case string:
		if f.Kind == String && f.Match == "uuid" {
			return strings.ToLower(x)
		}
	case float64:
		if f.Kind == Integer && x == math.Trunc(x) && math.Abs(x) <= MaxWhole {
			return int64(x)
		}
	case []any:
		if f.Elements != nil {
			for i, e := range x {
				x[i] = f.Elements.normalize(e)
			}
		}
	case map[string]any:
		switch id, _ := x["id"].(string); {
		case f.Kind == Foreign && id != "":
			return map[string]any{"id": strings.ToLower(id)}
		case f.Kind == Rec:
			normalize(f.Fields, x)
		}
	}
	return v
}
