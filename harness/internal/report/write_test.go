package report

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestWriteThenRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "one")
	r := resulttest.Ladder()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{result.FileJSON, result.FileMarkdown, result.FileHTML, result.FileBench, result.FileLadder,
		"histograms/multi-1-open.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
	again, err := result.Read(filepath.Join(dir, result.FileJSON))
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
	if err := os.MkdirAll(filepath.Join(dir, result.FileHTML, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := Write(dir, resulttest.Ladder())
	if err == nil || !strings.Contains(err.Error(), "write report: ") || !strings.Contains(err.Error(), result.FileHTML) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, result.FileJSON)); err == nil {
		t.Error("result.json is there though the report is not whole")
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
}

func TestHistogramNamesStayInTheirFolder(t *testing.T) {
	r := resulttest.Ladder()
	r.Histograms = map[string][]byte{"../out": nil}
	if err := Write(t.TempDir(), r); err == nil || !strings.Contains(err.Error(), `histogram "../out"`) {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":"gatelab/result/v1","stages":[{"name":"a","attacks":[{"series":[{"offset":-5}]}]}]}`))
	f.Add([]byte(`{"schema":"gatelab/result/v2","faults":[{"name":"kill","impact_ms":-1}]}`))
	f.Add([]byte(`{"schema":"gatelab/result/v1","faults":[{"name":"kill","time_to_detect_ms":1e300},null]}`))
	f.Add([]byte(`{"schema":"gatelab/result/v1","stages":[{"qps":1e308,"percentiles":[{"percentile":100,"ms":-1}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := result.Parse(b)
		if err != nil {
			return
		}
		r.Settle()
		for name := range allFormats() {
			rendered(t, name, r) // must neither panic nor fail
		}
	})
}
