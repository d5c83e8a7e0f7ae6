package entity

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// fill puts defaults in place, recursively: fields that are absent or null get
// their default, or null, so that a stored entity always has every field and a
// missing number is not taken for 0.
func fill(fields []Field, r Record) {
	for i := range fields {
		f := &fields[i]
		v, ok := r[f.Name]
		if !ok || v == nil {
			switch {
			case f.Default != nil:
				r[f.Name] = clone(f.Default)
			case f.Kind == Rec && hasDefaults(f.Fields) && (!ok || f.Required):
				r[f.Name] = Record{}
			default:
				r[f.Name] = nil
			}
			v = r[f.Name]
		}
		if sub, isRec := v.(map[string]any); isRec && f.Kind == Rec {
			fill(f.Fields, sub)
		}
		if list, isList := v.([]any); isList && f.Elements != nil && f.Elements.Kind == Rec {
			for _, e := range list {
				if sub, isRec := e.(map[string]any); isRec {
					fill(f.Elements.Fields, sub)
				}
			}
		}
	}
}

func hasDefaults(fields []Field) bool {
	for i := range fields {
		if fields[i].Default != nil || fields[i].Kind == Rec && hasDefaults(fields[i].Fields) {
			return true
		}
	}
	return false
}

// check returns the violations of a record against its fields.
func check(fields []Field, r Record) map[string]any {
	errs := map[string]any{}
	for name := range r {
		if _, ok := field(fields, name); !ok {
			errs[name] = "unknown field"
		}
	}
	for i := range fields {
		f := &fields[i]
		v := r[f.Name]
		if v == nil {
			if f.Required && !f.Auto {
				errs[f.Name] = "required field missing"
			}
			continue
		}
		if e := f.check(v); e != nil {
			errs[f.Name] = e
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// check returns nil, a message, a map of messages (records) or a list of
// messages (arrays).
func (f *Field) check(v any) any {
	if f.Only != nil && v != f.Only.Value {
		return f.Only.message()
	}
	switch f.Kind {
	case String:
		return f.checkString(v)
	case Integer, Number:
		return f.checkNumber(v)
	case Boolean:
		if _, ok := v.(bool); !ok {
			return "expected a boolean"
		}
	case Array, Set:
		return f.checkList(v)
	case Map:
		return f.checkMap(v)
	case Rec:
		m, ok := v.(map[string]any)
		if !ok {
			return "expected a record"
		}
		if e := check(f.Fields, m); e != nil {
			return e
		}
	case Foreign:
		m, ok := v.(map[string]any)
		if !ok {
			return "expected a record"
		}
		id, _ := m["id"].(string)
		if id == "" {
			return map[string]any{"id": "missing primary key"}
		}
		if !isUUID(id) {
			return map[string]any{"id": "expected a valid UUID"}
		}
	}
	return nil
}

func (f *Field) checkString(v any) any {
	s, ok := v.(string)
	if !ok {
		return "expected a string"
	}
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, any(s)) {
		return "expected one of: " + joined(f.OneOf)
	}
	if s == "" && f.LenMin == 0 && f.Match != "any" {
		return "length must be at least 1"
	}
	if f.LenMin > 0 && len(s) < f.LenMin {
		return fmt.Sprintf("length must be at least %d", f.LenMin)
	}
	if f.Referenceable {
		if m := badReference(s); m != "" {
			return m
		}
	}
	if f.Encrypted && !f.Referenceable && strings.HasPrefix(s, referencePrefix) {
		return "cannot be read from a vault: want the value itself"
	}
	if f.Match != "" && (!f.Referenceable || !isReference(s)) {
		if m := matchString(f.Match, s); m != "" {
			return m
		}
	}
	return nil
}

func (f *Field) checkNumber(v any) any {
	var n float64
	switch x := v.(type) {
	case int64:
		n = float64(x)
	case float64:
		n = x
	default:
		if f.Kind == Integer {
			return "expected an integer"
		}
		return "expected a number"
	}
	if f.Kind == Integer && n != math.Trunc(n) {
		return "expected an integer"
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return "expected a number" // JSON has no other
	}
	if math.Abs(n) > MaxWhole && (f.Between == nil || f.Between[1] > MaxWhole) {
		return fmt.Sprintf("value should be between %d and %d, but is %v", -MaxWhole, MaxWhole, v)
	}
	if f.Between != nil && (n < f.Between[0] || n > f.Between[1]) {
		if f.Between[1] == math.MaxInt64 {
			return fmt.Sprintf("value must be greater than %v", int64(f.Between[0])-1)
		}
		return fmt.Sprintf("value should be between %s and %s", shortest(f.Between[0]), shortest(f.Between[1]))
	}
	if len(f.OneOf) > 0 {
		for _, o := range f.OneOf {
			if number(o) == n {
				return nil
			}
		}
		return "expected one of: " + joined(f.OneOf)
	}
	return nil
}

func (f *Field) checkList(v any) any {
	list, ok := v.([]any)
	if !ok {
		if f.Kind == Set {
			return "expected a set"
		}
		return "expected an array"
	}
	if f.LenMin > 0 && len(list) < f.LenMin {
		return fmt.Sprintf("length must be at least %d", f.LenMin)
	}
	if f.LenMax > 0 && len(list) > f.LenMax {
		return fmt.Sprintf("length must be at most %d, but is %d", f.LenMax, len(list))
	}
	if m := f.mixed(list); m != "" {
		return m
	}
	var errs []any
	for i, e := range list {
		if m := f.Elements.check(e); m != nil {
			for len(errs) < i {
				errs = append(errs, nil)
			}
			errs = append(errs, m)
		}
	}
	if errs != nil {
		return errs
	}
	return nil
}

func (f *Field) checkMap(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return "expected a map"
	}
	for k, e := range m {
		if f.Keys != nil {
			if msg := f.Keys.check(k); msg != nil {
				return msg
			}
		}
		if msg := f.Elements.check(e); msg != nil {
			return msg
		}
	}
	return nil
}

func joined(list []any) string {
	parts := make([]string, len(list))
	for i, o := range list {
		parts[i] = fmt.Sprint(o)
	}
	return strings.Join(parts, ", ")
}

func number(v any) float64 {
	switch x := v.(type) {
	case int:
		return float64(x)
	case int64:
		return float64(x)
	case float64:
		return x
	}
	return math.NaN()
}

// clone copies a JSON value, so that defaults are never shared.
func clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(x))
		for k, e := range x {
			m[k] = clone(e)
		}
		return m
	case []any:
		l := make([]any, len(x))
		for i, e := range x {
			l[i] = clone(e)
		}
		return l
	case int:
		return int64(x)
	}
	return v
}

// shortest is a bound as it was written: 1, 0.1, 2147483646.
func shortest(bound float64) string { return strconv.FormatFloat(bound, 'f', -1, 64) }
