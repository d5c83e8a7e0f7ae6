package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSchemaIsTheTypes holds the committed JSON Schema and the Go types
// together: what one says and the other does not fails here.
func TestSchemaIsTheTypes(t *testing.T) {
	want, err := json.MarshalIndent(describe(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("result.schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return // the embedded copy is of the build before
	}
	if !bytes.Equal(Schema(), want) {
		t.Error("result.schema.json is not what the types say; run the test with -update and look at the difference")
	}
}

func TestWrittenResultsKeepTheSchema(t *testing.T) {
	empty := &Result{Scenario: "empty", Runtime: "docker"}
	full := sample()
	full.Comparison = &Comparison{Arms: []string{"a", "b"}, Metrics: []ComparisonMetric{{Name: "cpu", Ratio: 1.01}}, Verdict: "pass"}
	for _, r := range []*Result{empty, full} {
		r.Settle()
		for _, problem := range violations(t, []byte(rendered(t, FileJSON, r))) {
			t.Errorf("%s: %s", r.Scenario, problem)
		}
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	r := sample()
	r.Settle()
	good := rendered(t, FileJSON, r)
	tests := []struct{ why, old, new string }{
		{"a figure as text", `"replicas": 3`, `"replicas": "3"`},
		{"a field that nobody declared", `"replicas": 3`, `"replicas": 3, "more": 1`},
		{"a field that is missing", `"runtime": "docker",`, ``},
		{"a model that there is not", `"model": "closed+open"`, `"model": "both"`},
		{"a negative count", `"failed": 59`, `"failed": -59`},
		{"null in place of absence", `"qps": 12581.3`, `"qps": null`},
		{"another schema", SchemaV1, "gatelab/result/v2"},
		{"a time that is none", `"2026-11-20T09:30:00Z"`, `"yesterday"`},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			bad := strings.Replace(good, test.old, test.new, 1)
			if bad == good {
				t.Fatalf("%q is not in the sample", test.old)
			}
			if len(violations(t, []byte(bad))) == 0 {
				t.Error("was taken")
			}
		})
	}
}

type object = map[string]any

// describe makes the schema of Result: structure by reflection, descriptions
// from the Go comments.
func describe(t *testing.T) object {
	defs := object{}
	d := describer{docs: comments(t), defs: defs}
	d.of(reflect.TypeFor[Result]())
	top := defs["Result"].(object)
	delete(defs, "Result")
	top["$schema"], top["$id"], top["title"], top["$defs"] = "https://json-schema.org/draft/2020-12/schema", SchemaV1, "A gatelab run", defs
	return top
}

type describer struct {
	docs map[string]string // "Type" and "Type.Field"
	defs object
}

// enums are the closed sets that the types cannot tell.
func enums() map[string][]any {
	return map[string][]any{
		"Result.Schema": {SchemaV1}, "Load.Model": {Open, Closed, Both, ""}, "Attack.Model": {Open, Closed},
		"Check.Verdict": {OK, Warning, Invalid, Skipped}, "Comparison.Verdict": {"pass", "fail", "inconclusive"},
	}
}

func (d *describer) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return d.of(t.Elem())
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": d.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.of(t.Elem())}
	case reflect.Interface:
		return object{}
	case reflect.Struct:
		if _, known := d.defs[t.Name()]; !known {
			d.defs[t.Name()] = nil // a type that holds itself ends here
			d.defs[t.Name()] = d.structure(t)
		}
		return object{"$ref": "#/$defs/" + t.Name()}
	}
	panic("no schema for " + t.String())
}

func (d *describer) structure(t reflect.Type) object {
	properties, required := object{}, []any{}
	d.fields(t, properties, &required)
	return object{"type": "object", "description": d.docs[t.Name()], "additionalProperties": false, "properties": properties, "required": required}
}

func (d *describer) fields(t reflect.Type, properties object, required *[]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case f.Anonymous:
			d.fields(f.Type, properties, required)
			continue
		case name == "":
			panic(t.Name() + "." + f.Name + " has no name in JSON")
		}
		p := maps.Clone(d.of(f.Type))
		if doc := d.docs[t.Name()+"."+f.Name]; doc != "" {
			p["description"] = doc
		}
		if e := enums()[t.Name()+"."+f.Name]; e != nil {
			p["enum"] = e
		}
		properties[name] = p
		if !strings.Contains(options, "omitempty") {
			*required = append(*required, name)
		}
	}
}

// comments are the docs of this package's types and fields.
func comments(t *testing.T) map[string]string {
	out := map[string]string{}
	text := func(groups ...*ast.CommentGroup) string {
		for _, g := range groups {
			if s := strings.Join(strings.Fields(g.Text()), " "); s != "" {
				return s
			}
		}
		return ""
	}
	for _, file := range []string{"result.go", "manifest.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				s, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				out[s.Name.Name] = text(s.Doc, g.Doc)
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						for _, n := range field.Names {
							out[s.Name.Name+"."+n.Name] = text(field.Doc, field.Comment)
						}
					}
				}
			}
		}
	}
	return out
}

// violations holds a result.json against the committed schema. It knows the
// words that describe uses, no more.
func violations(t *testing.T, b []byte) []string {
	t.Helper()
	var schema object
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	c := checker{defs: schema["$defs"].(object)}
	c.check("", schema, v)
	return c.problems
}

type checker struct {
	defs     object
	problems []string
}

func (c *checker) wrong(path, format string, args ...any) {
	c.problems = append(c.problems, path+": "+fmt.Sprintf(format, args...))
}

func (c *checker) check(path string, s object, v any) {
	if ref, ok := s["$ref"].(string); ok {
		s = c.defs[strings.TrimPrefix(ref, "#/$defs/")].(object)
	}
	if e, ok := s["enum"].([]any); ok && !slices.Contains(e, v) {
		c.wrong(path, "%v is none of %v", v, e)
	}
	switch s["type"] {
	case "string":
		text, ok := v.(string)
		if !ok {
			c.wrong(path, "%v is no string", v)
		} else if _, err := time.Parse(time.RFC3339, text); s["format"] == "date-time" && err != nil {
			c.wrong(path, "%v", err)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			c.wrong(path, "%v is no boolean", v)
		}
	case "integer", "number":
		n, ok := v.(float64)
		if !ok || s["type"] == "integer" && n != math.Trunc(n) {
			c.wrong(path, "%v is no %s", v, s["type"])
		}
		if least, has := s["minimum"].(float64); has && n < least {
			c.wrong(path, "%v is below %v", n, least)
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			c.wrong(path, "%v is no array", v)
		}
		for i, e := range list {
			c.check(fmt.Sprintf("%s[%d]", path, i), s["items"].(object), e)
		}
	case "object":
		m, ok := v.(object)
		if !ok {
			c.wrong(path, "%v is no object", v)
			return
		}
		c.object(path, s, m)
	}
}

func (c *checker) object(path string, s, m object) {
	properties, _ := s["properties"].(object)
	for k, v := range m {
		if p, ok := properties[k].(object); ok {
			c.check(path+"."+k, p, v)
		} else if p, ok := s["additionalProperties"].(object); ok {
			c.check(path+"."+k, p, v)
		} else {
			c.wrong(path, "unknown field %q", k)
		}
	}
	required, _ := s["required"].([]any)
	for _, k := range required {
		if _, ok := m[k.(string)]; !ok {
			c.wrong(path, "%v is missing", k)
		}
	}
}
