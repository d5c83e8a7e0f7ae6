package entity

import (
	"math"
	"strings"
)

// maxWhole is how far from 0 a number may be: beyond it float64, and with it
// every JSON reader that has no other number, skips integers.
const maxWhole = 1<<53 - 1

// normalise writes what has several spellings in one, so that whoever compares
// entities as text finds what Postgres, which compares uuids, finds: UUIDs are
// lower case, a reference is {"id"} and nothing else, an integer is an int64.
// What does not fit its field is left for the check to refuse.
func normalise(fields []Field, r Record) {
	for i := range fields {
		if v, ok := r[fields[i].Name]; ok {
			r[fields[i].Name] = fields[i].normalise(v)
		}
	}
}

func (f *Field) normalise(v any) any {
	switch x := v.(type) {
	case string:
		if f.Kind == String && f.Match == "uuid" {
			return strings.ToLower(x)
		}
	case float64:
		if f.Kind == Integer && x == math.Trunc(x) && math.Abs(x) <= maxWhole {
			return int64(x)
		}
	case []any:
		if f.Elements != nil {
			for i, e := range x {
				x[i] = f.Elements.normalise(e)
			}
		}
	case map[string]any:
		switch id, _ := x["id"].(string); {
		case f.Kind == Foreign && id != "":
			return map[string]any{"id": strings.ToLower(id)}
		case f.Kind == Rec:
			normalise(f.Fields, x)
		}
	}
	return v
}
