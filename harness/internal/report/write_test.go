package report

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestWriteThenRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "one")
	r := sample()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{FileJSON, FileMarkdown, FileHTML, FileBench, FileLadder, "histograms/multi-1-open.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
	again, err := Read(filepath.Join(dir, FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, r) {
		t.Errorf("read\n%+v\nwant\n%+v", again, r)
	}
}

func TestWriteTellsWhichFile(t *testing.T) {
	dir := t.TempDir()
	// A folder in the file's place stands for every reason not to write it.
	if err := os.MkdirAll(filepath.Join(dir, FileHTML, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := Write(dir, sample())
	if err == nil || !strings.Contains(err.Error(), "write report: ") || !strings.Contains(err.Error(), FileHTML) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, FileJSON)); err == nil {
		t.Error("result.json is there though the report is not whole")
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
}

func TestHistogramNamesStayInTheirFolder(t *testing.T) {
	r := sample()
	r.Histograms = map[string][]byte{"../out": nil}
	if err := Write(t.TempDir(), r); err == nil || !strings.Contains(err.Error(), `histogram "../out"`) {
		t.Errorf("got %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ why, text, want string }{
		{"not JSON", "x", "invalid character"},
		{"another program's file", `{"schema":"other/v1"}`, `schema "other/v1" is not allowed: want "gatelab/result/v1"`},
		{"a field of a later version", `{"schema":"gatelab/result/v1","later":1}`, `unknown field "later"`},
	}
	for _, test := range tests {
		t.Run(test.why, func(t *testing.T) {
			if _, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAbsentIsAbsent(t *testing.T) {
	r := &Result{Scenario: "bare", Stages: []Stage{{Name: "a", Valid: true}}}
	r.Settle()
	got := rendered(t, FileJSON, r)
	for _, never := range []string{"qps", "latency_ms", "error_rate", "cache", "limits", "postgres", "bottleneck", "availability", "ceiling", "faults", "comparison", "null"} {
		if strings.Contains(got, never) {
			t.Errorf("result.json holds %q though nothing was measured:\n%s", never, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":"gatelab/result/v1","stages":[{"name":"a","attacks":[{"series":[{"offset":-5}]}]}]}`))
	f.Add([]byte(`{"schema":"gatelab/result/v1","stages":[{"qps":1e308,"percentiles":[{"percentile":100,"ms":-1}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		r.Settle()
		for name := range formats() {
			rendered(t, name, r) // must neither panic nor fail
		}
	})
}
