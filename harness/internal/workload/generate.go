package workload

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Limits on generated values: schemas may refer to themselves.
const (
	deepest    = 8
	mostValues = 500
	longText   = 64
)

// exampleOf is an example of a parameter, or its default.
func exampleOf(p *openapi3.Parameter) (any, bool) {
	if p.Example != nil {
		return p.Example, true
	}
	if v, ok := firstExample(p.Examples); ok {
		return v, true
	}
	return schemaExample(schemaOf(p.Schema))
}

func firstExample(examples openapi3.Examples) (any, bool) {
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		if e := examples[name]; e != nil && e.Value != nil && e.Value.Value != nil {
			return e.Value.Value, true
		}
	}
	return nil, false
}

// schemaExample is a value that a schema itself names.
func schemaExample(s *openapi3.Schema) (any, bool) {
	switch {
	case s == nil:
	case s.Example != nil:
		return s.Example, true
	case len(s.Examples) > 0:
		return s.Examples[0], true
	case s.Const != nil:
		return s.Const, true
	case s.Default != nil:
		return s.Default, true
	case len(s.Enum) > 0:
		return s.Enum[0], true
	}
	return nil, false
}

func schemaOf(ref *openapi3.SchemaRef) *openapi3.Schema {
	if ref == nil {
		return nil
	}
	return ref.Value
}

// mediaValue is an example of a body, or a value that fits its schema.
func mediaValue(m *openapi3.MediaType) any {
	if m == nil {
		return nil
	}
	if m.Example != nil {
		return m.Example
	}
	if v, ok := firstExample(m.Examples); ok {
		return v
	}
	return generate(schemaOf(m.Schema))
}

// generate is a value that fits a schema.
func generate(s *openapi3.Schema) any {
	g := generator{left: mostValues}
	return g.value(s, 0)
}

// generator counts how many values are left to make.
type generator struct{ left int }

func (g *generator) value(s *openapi3.Schema, depth int) any {
	g.left--
	if v, ok := schemaExample(s); ok {
		return v
	}
	switch {
	case s == nil || depth > deepest || g.left <= 0:
		return nil
	case len(s.AllOf) > 0:
		return g.all(s, depth)
	case len(s.OneOf) > 0:
		return g.value(schemaOf(s.OneOf[0]), depth+1)
	case len(s.AnyOf) > 0:
		return g.value(schemaOf(s.AnyOf[0]), depth+1)
	case s.Type.Includes(openapi3.TypeObject) || s.Type.IsEmpty() && len(s.Properties) > 0:
		return g.object(s, depth)
	case s.Type.Includes(openapi3.TypeArray):
		return g.array(s, depth)
	case s.Type.Includes(openapi3.TypeString):
		return textOf(s)
	case s.Type.Includes(openapi3.TypeInteger):
		return int64(math.Ceil(numberOf(s)))
	case s.Type.Includes(openapi3.TypeNumber):
		return numberOf(s)
	case s.Type.Includes(openapi3.TypeBoolean):
		return true
	}
	return nil
}

// all joins the objects of allOf; of other values the last one counts.
func (g *generator) all(s *openapi3.Schema, depth int) any {
	joined := map[string]any{}
	var other any
	parts := append(slices.Clone(s.AllOf), &openapi3.SchemaRef{Value: &openapi3.Schema{Properties: s.Properties}})
	for _, part := range parts {
		switch v := g.value(schemaOf(part), depth+1).(type) {
		case map[string]any:
			maps.Copy(joined, v)
		case nil:
		default:
			other = v
		}
	}
	if len(joined) == 0 && other != nil {
		return other
	}
	return joined
}

// object has all properties that a request may have; below half of the greatest depth only the required ones.
func (g *generator) object(s *openapi3.Schema, depth int) any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := schemaOf(s.Properties[name])
		if p == nil || p.ReadOnly || depth > deepest/2 && !slices.Contains(s.Required, name) {
			continue
		}
		if v := g.value(p, depth+1); v != nil {
			out[name] = v
		}
	}
	return out
}

func (g *generator) array(s *openapi3.Schema, depth int) any {
	out := []any{}
	n := max(1, int(min(s.MinItems, 100)))
	if s.MaxItems != nil && *s.MaxItems == 0 {
		n = 0
	}
	for range n {
		if v := g.value(schemaOf(s.Items), depth+1); v != nil {
			out = append(out, v)
		}
	}
	return out
}

// numberOf is the least allowed number from 1 on, or the greatest one below.
func numberOf(s *openapi3.Schema) float64 {
	v := 1.0
	least, above := bound(s.Min, s.ExclusiveMin)
	most, below := bound(s.Max, s.ExclusiveMax)
	if v > most || v == most && below {
		if v = most; below {
			v--
		}
	}
	if v < least || v == least && above {
		if v = least; above {
			v++
		}
	}
	if s.MultipleOf != nil && *s.MultipleOf > 0 {
		v = math.Ceil(v / *s.MultipleOf) * *s.MultipleOf
	}
	return v
}

// bound is a minimum or maximum and whether it is excluded, in the notation of OpenAPI 3.0 or 3.1; NaN, with which nothing compares, if
// there is none.
func bound(inclusive *float64, exclusive openapi3.ExclusiveBound) (v float64, excluded bool) {
	switch {
	case exclusive.Value != nil:
		return *exclusive.Value, true
	case inclusive != nil:
		return *inclusive, exclusive.IsTrue()
	}
	return math.NaN(), false
}

// formats are examples of the formats of texts.
var formats = map[string]string{
	"date-time": "2026-01-02T15:04:05Z", "date": "2026-01-02", "time": "15:04:05Z", "duration": "PT1M", "email": "user@example.com",
	"hostname": "host.example", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "uri": "https://example.com/", "url": "https://example.com/",
	"uuid": "123e4567-e89b-42d3-a456-426614174000", "byte": "dGV4dA==",
}

func textOf(s *openapi3.Schema) string {
	v, ok := formats[s.Format]
	if !ok {
		v = "text"
	}
	if n := int(min(s.MinLength, longText)); len(v) < n {
		v += strings.Repeat("x", n-len(v))
	}
	if s.MaxLength != nil && uint64(len(v)) > *s.MaxLength {
		v = v[:*s.MaxLength]
	}
	return v
}

// scalarText is a value as a path or a parameter has it.
func scalarText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case map[string]any, []any:
		return jsonBody(x)
	}
	return fmt.Sprint(v)
}

// jsonBody is a value as JSON. A text that is JSON itself, as examples often are, stays as it is.
func jsonBody(v any) string {
	if s, ok := v.(string); ok && json.Valid([]byte(s)) {
		return s
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if v == nil || e.Encode(v) != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// formBody is an object as a form.
func formBody(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return scalarText(v)
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(scalarText(m[name])))
	}
	return strings.Join(pairs, "&")
}
