package scenario_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// schemaFile is for editors, which read the schema from a file.
const schemaFile = "../../../docs/scenario.schema.json"

// TestSchemaFile compares the committed JSON Schema with what the decoder says of itself.
func TestSchemaFile(t *testing.T) {
	want, err := scenario.Schema()
	if err != nil {
		t.Fatal(err)
	}
	compareFile(t, schemaFile, want)
}

// compareFile compares a generated file with the committed one, or writes it.
func compareFile(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says: run the test with -update and look at the difference", file)
	}
}

// compiled is the schema as a validator.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	b, err := scenario.Schema()
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", v); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inJSON is YAML as the values that a validator takes.
func inJSON(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestScenariosMatchTheSchema: what Parse takes, the schema takes.
func TestScenariosMatchTheSchema(t *testing.T) {
	s := compiled(t)
	var files []string
	for _, pattern := range []string{"../../../scenarios/*.yaml", "../../../scenarios/chaos/*.yaml", "../../testdata/measure/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 20 {
		t.Fatalf("%d scenarios", len(files))
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("\npolicies:")) {
			continue // of a comparison of gateways, no scenario
		}
		if err := s.Validate(inJSON(t, b)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := s.Validate(inJSON(t, scenario.Starter("mine"))); err != nil {
		t.Errorf("the starter: %v", err)
	}
}

// beyondSchema are invalid files that the schema takes: what is wrong there concerns more than one value, the text of YAML, or bounds that
// a schema does not have.
var beyondSchema = map[string]bool{
	"anchor": true, "base": true, "empty-load": true, "fault-fields": true, "fault-target": true,
	"group-twice": true, "group": true, "jitter": true, "no-stages": true, "nothing-to-do": true,
	"p99-below-median": true, "profile-too-short": true, "setting-name": true, "share-and-rate": true, "share-of-nothing": true,
	"shape-rates": true, "soak": true, "region-faults": true, "regions-beside": true, "tracing-twice": true,
	"stage-all": true, "stage-twice": true, "stages-missing": true, "two-documents": true, "unknown-stage": true,
}

// TestTheSchemaRefuses: of the invalid files, the schema refuses those whose mistake is in one value.
func TestTheSchemaRefuses(t *testing.T) {
	s := compiled(t)
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "invalid-"), ".yaml")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if yaml.Unmarshal(b, &v) != nil {
			continue // no YAML for a validator
		}
		if _, err := json.Marshal(v); err != nil {
			continue // .nan
		}
		var wrong *jsonschema.ValidationError
		if err := s.Validate(inJSON(t, b)); errors.As(err, &wrong) == beyondSchema[name] {
			t.Errorf("%s: the schema says %v", name, err)
		}
	}
}

// TestEveryKeyHasAMeaning, and no meaning is of a key that there is not.
func TestEveryKeyHasAMeaning(t *testing.T) {
	n := 0
	var walk func(f *scenario.Field)
	walk = func(f *scenario.Field) {
		if f.Key != "" {
			n++
			if f.Meaning == "" || !strings.HasSuffix(f.Meaning, ".") {
				t.Errorf("%s: %q: want a sentence", f.Path, f.Meaning)
			}
		}
		for _, one := range f.Fields {
			walk(one)
		}
		if f.Each != nil {
			walk(f.Each)
		}
	}
	walk(scenario.Describe())
	if n < 200 {
		t.Errorf("%d keys", n)
	}
	for _, path := range scenario.UnusedMeanings() {
		t.Errorf("%s has a meaning, and is no key", path)
	}
}
