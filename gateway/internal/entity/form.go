package entity

import (
	"fmt"
	"math"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// DecodeForm reads form values: dots nest, [] and [n] and repeated keys make
// arrays, "" is null; the schema says what each text is meant to be.
func (s *Schema) DecodeForm(form url.Values) (Record, error) { return s.DecodePatch(form, "") }

// DecodePatch is DecodeForm of a change: plugin is the name of the plugin that
// is to be changed, whose configuration the form is about where it has no name
// itself.
func (s *Schema) DecodePatch(form url.Values, plugin string) (Record, error) {
	r := Record{}
	keys := make([]string, 0, len(form))
	for k := range form {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		path, err := formPath(k)
		if err != nil {
			return nil, err
		}
		if err := place(r, path, form[k]); err != nil {
			return nil, SchemaError(map[string]any{path[0]: err.Error()})
		}
	}
	if name, ok := one(r["name"]); ok {
		plugin = name
	}
	fields := s.Fields
	if p, ok := s.pluginNamed(plugin); ok {
		fields = p.fields(fields)
	}
	for k, v := range r {
		f, _ := field(fields, k)
		if f == nil && s.Name == "services" && k == "url" {
			f = &Field{Kind: String}
		}
		r[k] = infer(f, v)
	}
	return r, s.expand(r)
}

func one(v any) (string, bool) {
	l, ok := v.([]string)
	if !ok || len(l) != 1 {
		return "", false
	}
	return l[0], true
}

// formPath splits "config.limit[]" into config, limit, "" and "a[2].b" into a,
// 2, b.
func formPath(key string) ([]string, error) {
	if len(key) > 512 {
		return nil, fmt.Errorf("form key is too long")
	}
	var path []string
	for _, part := range strings.Split(key, ".") {
		name, rest, found := strings.Cut(part, "[")
		if name != "" || !found {
			path = append(path, name)
		}
		for found {
			var index string
			index, rest, _ = strings.Cut(rest, "]")
			path = append(path, "["+index)
			_, rest, found = strings.Cut(rest, "[")
		}
	}
	if len(path) == 0 || path[0] == "" || strings.HasPrefix(path[0], "[") || len(path) > 16 {
		return nil, fmt.Errorf("form key %q is not a field", key)
	}
	return path, nil
}

// list collects array elements of a form by index; -1 appends.
type list struct{ values []any }

// place puts values at path. Leaves stay []string until the schema is asked.
func place(m map[string]any, path []string, values []string) error {
	name := path[0]
	if len(path) == 1 {
		if _, taken := m[name]; taken {
			return fmt.Errorf("given twice")
		}
		m[name] = values
		return nil
	}
	if strings.HasPrefix(path[1], "[") {
		l, ok := m[name].(*list)
		if !ok {
			if m[name] != nil {
				return fmt.Errorf("given as a value and as an array")
			}
			l = &list{}
			m[name] = l
		}
		return l.place(path[1:], values)
	}
	sub, ok := m[name].(map[string]any)
	if !ok {
		if m[name] != nil {
			return fmt.Errorf("given as a value and as a record")
		}
		sub = map[string]any{}
		m[name] = sub
	}
	return place(sub, path[1:], values)
}

func (l *list) place(path, values []string) error {
	index := len(l.values)
	if digits := path[0][1:]; digits != "" {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > 1000 {
			// A name in brackets is a map's key: headers[x-a]=1.
			return fmt.Errorf("index %q is not a number from 1 to 1000", digits)
		}
		index = n - 1
	}
	if len(path) == 1 {
		for _, v := range values {
			l.set(index, []string{v})
			index++
		}
		return nil
	}
	for len(l.values) <= index {
		l.values = append(l.values, nil)
	}
	sub, ok := l.values[index].(map[string]any)
	if !ok {
		sub = map[string]any{}
		l.values[index] = sub
	}
	return place(sub, path[1:], values)
}

func (l *list) set(index int, v any) {
	for len(l.values) <= index {
		l.values = append(l.values, nil)
	}
	l.values[index] = v
}

// infer turns form text into what the field wants; without a field it stays
// text, and validation will say that the field is unknown.
func infer(f *Field, v any) any {
	switch x := v.(type) {
	case []string:
		return inferText(f, x)
	case *list:
		out := make([]any, 0, len(x.values))
		for _, e := range x.values {
			var ef *Field
			if f != nil {
				ef = f.Elements
			}
			if v := infer(ef, e); v != nil {
				out = append(out, v)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case map[string]any:
		for k, e := range x {
			var sub *Field
			if f != nil {
				switch f.Kind {
				case Rec:
					sub, _ = field(f.Fields, k)
				case Map:
					sub = f.Elements
				case Foreign:
					sub = &Field{Kind: String}
				}
			}
			x[k] = infer(sub, e)
		}
		return x
	}
	return v
}

func inferText(f *Field, texts []string) any {
	if f != nil && (f.Kind == Array || f.Kind == Set) {
		out := make([]any, 0, len(texts))
		for _, t := range texts {
			if t != "" {
				out = append(out, inferText(f.Elements, []string{t}))
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	if len(texts) > 1 {
		out := make([]any, len(texts))
		for i, t := range texts {
			out[i] = t
		}
		return out
	}
	t := texts[0]
	if t == "" {
		return nil
	}
	if f == nil {
		return t
	}
	switch f.Kind {
	case Integer, Number:
		if n, err := strconv.ParseInt(t, 10, 64); err == nil {
			return n
		}
		// NaN and infinity have no JSON: they stay text, which is refused.
		if n, err := strconv.ParseFloat(t, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return n
		}
	case Boolean:
		switch t {
		case "true":
			return true
		case "false":
			return false
		}
	}
	return t
}
