package result_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

var update = flag.Bool("update", false, "write the JSON Schema anew")

const schemaFile = "result.schema.json"

// TestSchemaIsTheTypes compares the committed JSON Schema with the Go types and
// their comments.
func TestSchemaIsTheTypes(t *testing.T) {
	want, err := json.MarshalIndent(generated(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return // the embedded copy is of the build before
	}
	if !bytes.Equal(result.Schema(), want) {
		t.Errorf("%s does not match the types; run the test with -update and look at the difference", schemaFile)
	}
}

// generated is the schema of the types, with their comments as descriptions.
func generated(t *testing.T) *jsonschema.Schema {
	t.Helper()
	r := &jsonschema.Reflector{
		Anonymous:      true,
		ExpandedStruct: true,
		Mapper: func(of reflect.Type) *jsonschema.Schema {
			if of.Kind() == reflect.Uint64 {
				return &jsonschema.Schema{Type: "integer", Minimum: "0"}
			}
			return nil
		},
	}
	for _, folder := range []string{".", "../measure"} {
		if err := r.AddGoComments("github.com/gatelab/gatelab/harness/internal/result", folder, jsonschema.WithFullComment()); err != nil {
			t.Fatal(err)
		}
	}
	for name, comment := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(comment), " ")
	}
	s := r.Reflect(&result.Result{})
	s.ID, s.Title = result.SchemaV2, "A gatelab run"
	return s
}

func TestWrittenResultsMatchTheSchema(t *testing.T) {
	full := resulttest.Ladder()
	full.Comparison = &result.Comparison{
		Arms:    []string{"a", "b"},
		Metrics: []result.ComparisonMetric{{Name: "cpu", Ratio: 1.01}},
		Verdict: stats.Pass,
	}
	for _, r := range []*result.Result{{Scenario: "empty", Runtime: "docker"}, full, resulttest.Experiment()} {
		r.Settle()
		for _, problem := range resulttest.Violations(t, text(t, r)) {
			t.Errorf("%s: %s", r.Scenario, problem)
		}
	}
}

func TestTheSchemaRejects(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	good := string(text(t, r))
	tests := []struct{ name, old, replacement string }{
		{name: "a figure as text", old: `"replicas": 3`, replacement: `"replicas": "3"`},
		{name: "an undeclared field", old: `"replicas": 3`, replacement: `"replicas": 3, "more": 1`},
		{name: "a missing field", old: `"runtime": "docker",`, replacement: ``},
		{name: "an unknown model", old: `"model": "closed+open"`, replacement: `"model": "both"`},
		{name: "an unknown verdict of a check", old: `"verdict": "ok"`, replacement: `"verdict": "good"`},
		{name: "a negative count", old: `"failed": 59`, replacement: `"failed": -59`},
		{name: "null in place of absence", old: `"qps": 12581.3`, replacement: `"qps": null`},
		{name: "another schema", old: result.SchemaV2, replacement: "gatelab/result/v3"},
		{name: "a malformed time", old: `"2026-11-20T09:30:00Z"`, replacement: `"yesterday"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bad := strings.Replace(good, test.old, test.replacement, 1)
			if bad == good {
				t.Fatalf("%q is not in the sample", test.old)
			}
			if len(resulttest.Violations(t, []byte(bad))) == 0 {
				t.Error("was accepted")
			}
		})
	}
}

// text is r as result.json.
func text(t *testing.T, r *result.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := result.JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
