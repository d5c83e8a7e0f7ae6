package workload

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// parseOpenAPI makes one request for each operation of an OpenAPI 3 document, with examples where it has them and values that fit its
// schemas elsewhere. References to other files are not followed.
func parseOpenAPI(b []byte, _ Options, take func(record)) error {
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		return err
	}
	if doc.Paths.Len() == 0 {
		return fmt.Errorf("paths: is empty: want operations")
	}
	base, err := doc.Servers.BasePath()
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	paths := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		operations := paths[path].Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			o := operation{Operation: operations[method]}
			o.record = record{name: o.OperationID, method: method}
			o.build(strings.TrimSuffix(base, "/")+path, paths[path].Parameters)
			if o.Security != nil && len(*o.Security) > 0 || o.Security == nil && len(doc.Security) > 0 {
				o.trimmed = append(o.trimmed, trimSecurity)
			}
			take(o.record)
		}
	}
	return nil
}

// trimSecurity is what a request of a described operation is kept without.
const trimSecurity = "credentials that the document asks for: none are made up"

// describedIDs is how many values a number in a path has if its schema has no maximum.
const describedIDs = 100

// inBraces matches a parameter in a path.
var inBraces = regexp.MustCompile(`\{[^{}]*\}`)

// operation becomes one record.
type operation struct {
	*openapi3.Operation
	record
	query  []string
	cookie []string
}

func (o *operation) build(path string, common openapi3.Parameters) {
	own := map[string]bool{}
	var all []*openapi3.Parameter
	for _, list := range []openapi3.Parameters{o.Parameters, common} { // those of the operation come first and win
		for _, ref := range list {
			if ref == nil || ref.Value == nil || own[ref.Value.In+" "+ref.Value.Name] {
				continue
			}
			own[ref.Value.In+" "+ref.Value.Name] = true
			all = append(all, ref.Value)
		}
	}
	for _, p := range all {
		if p.In == openapi3.ParameterInPath {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", o.pathValue(p))
			continue
		}
		o.parameter(p)
	}
	if undeclared := inBraces.ReplaceAllString(path, placeholder); o.ids == 0 && strings.Contains(undeclared, placeholder) {
		path, o.ids = undeclared, describedIDs
	}
	if len(o.query) > 0 {
		path += "?" + strings.Join(o.query, "&")
	}
	o.target = path
	if len(o.cookie) > 0 {
		o.header = append(o.header, field{name: "Cookie", value: strings.Join(o.cookie, "; ")})
	}
	if o.RequestBody != nil && o.RequestBody.Value != nil {
		o.content(o.RequestBody.Value.Content)
	}
}

// pathValue is what stands for a parameter in the path: an example, or the placeholder if it is a number or any text.
func (o *operation) pathValue(p *openapi3.Parameter) string {
	if v, ok := exampleOf(p); ok {
		return url.PathEscape(scalarText(v))
	}
	s := schemaOf(p.Schema)
	if s == nil || s.Type.Includes(openapi3.TypeInteger) || s.Type.Includes(openapi3.TypeString) && s.Format == "" && s.Pattern == "" {
		ids := describedIDs
		if s != nil && s.Max != nil && *s.Max >= 1 && *s.Max <= maxIDs {
			ids = int(*s.Max)
		}
		if o.ids == 0 || ids < o.ids {
			o.ids = ids
		}
		return placeholder
	}
	return url.PathEscape(scalarText(generate(s)))
}

// parameter adds a parameter of the query, the header or a cookie if it is required or has an example.
func (o *operation) parameter(p *openapi3.Parameter) {
	v, ok := exampleOf(p)
	if !ok && !p.Required {
		return
	}
	if !ok {
		v = generate(schemaOf(p.Schema))
	}
	values, many := v.([]any)
	if !many {
		values = []any{v}
	}
	switch p.In {
	case openapi3.ParameterInQuery:
		for _, one := range values {
			o.query = append(o.query, url.QueryEscape(p.Name)+"="+url.QueryEscape(scalarText(one)))
		}
	case openapi3.ParameterInHeader:
		o.header = append(o.header, field{name: p.Name, value: scalarText(v)})
	case openapi3.ParameterInCookie:
		o.cookie = append(o.cookie, p.Name+"="+url.QueryEscape(scalarText(v)))
	}
}

// content adds a body in the first type that is text: JSON, a form, or plain text.
func (o *operation) content(content openapi3.Content) {
	types := slices.Sorted(maps.Keys(content))
	pick := func(fits func(string) bool) string {
		if i := slices.IndexFunc(types, fits); i >= 0 {
			return types[i]
		}
		return ""
	}
	isJSON := func(t string) bool {
		return strings.HasPrefix(t, "application/json") || strings.Contains(t, "+json") || t == "*/*"
	}
	isForm := func(t string) bool { return strings.HasPrefix(t, "application/x-www-form-urlencoded") }
	isText := func(t string) bool { return strings.HasPrefix(t, "text/") }
	isMultipart := func(t string) bool { return strings.HasPrefix(t, "multipart/") }
	if t := pick(isJSON); t != "" {
		o.body = jsonBody(mediaValue(content[t]))
		o.contentType(strings.Replace(t, "*/*", "application/json", 1))
	} else if t := pick(isForm); t != "" {
		o.body = formBody(mediaValue(content[t]))
		o.contentType(t)
	} else if t := pick(isText); t != "" {
		o.body = scalarText(mediaValue(content[t]))
		o.contentType(t)
	} else if pick(isMultipart) != "" {
		o.leftOut = reasonForm
	} else if len(types) > 0 {
		o.leftOut = reasonBinary
	}
}

func (o *operation) contentType(t string) {
	o.header = append(o.header, field{name: "Content-Type", value: t})
}
