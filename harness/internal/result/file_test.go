package result_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestParseRejects(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{name: "not JSON", text: "x", want: "invalid character"},
		{
			name: "another program's file", text: `{"schema":"other/v1"}`,
			want: `schema "other/v1" is not allowed: want "gatelab/result/v2" or "gatelab/result/v1"`,
		},
		{name: "a field of a later version", text: `{"schema":"gatelab/result/v2","later":1}`, want: `unknown field "later"`},
		{
			name: "a field of a later version in v1",
			text: `{"schema":"gatelab/result/v1","faults":[{"impact_ms":1}]}`,
			want: `unknown field "impact_ms"`,
		},
		{
			name: "a field of v1 in v2",
			text: `{"schema":"gatelab/result/v2","faults":[{"time_to_detect_ms":1}]}`,
			want: `unknown field "time_to_detect_ms"`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := result.Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestPublishedResultsAreRead reads the committed runs, which earlier versions
// wrote and nothing rewrites, and writes each as it would be written today.
func TestPublishedResultsAreRead(t *testing.T) {
	paths, err := filepath.Glob("../../../reports/published/*/result.json")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d published runs: %v", len(paths), err)
	}
	for _, path := range append(paths, "testdata/v1.json") {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r, err := result.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			impacts := 0
			for _, f := range r.Faults {
				if f.ImpactMS != nil {
					impacts++
				}
			}
			before := bytes.Count(text, []byte(`"time_to_detect_ms"`)) + bytes.Count(text, []byte(`"impact_ms"`))
			if impacts != before {
				t.Errorf("%d faults with the duration of their impact, want %d", impacts, before)
			}
			dir := t.TempDir()
			if err := r.Write(dir); err != nil {
				t.Fatal(err)
			}
			now, err := os.ReadFile(filepath.Join(dir, result.FileJSON))
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range resulttest.Violations(t, now) {
				t.Error(problem)
			}
			again, err := result.Read(filepath.Join(dir, result.FileJSON))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(again, r) {
				t.Error("differs when it is read again")
			}
		})
	}
}

// TestV1 reads a run of schema v1 with faults.
func TestV1(t *testing.T) {
	r, err := result.Read("testdata/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	if r.Schema != result.SchemaV1 || len(r.Faults) == 0 || r.Faults[0].ImpactMS == nil {
		t.Fatalf("schema %s, faults %+v", r.Schema, r.Faults)
	}
	if r.Settle(); r.Schema != result.SchemaV2 {
		t.Errorf("settled, the schema is %s", r.Schema)
	}
}
