package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func TestAnExperimentIsInEveryFormat(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, resulttest.Experiment()); err != nil {
		t.Fatal(err)
	}
	for file, wants := range map[string][]string{
		result.FileMarkdown: {"**Not as expected: idempotent requests failed: 3, wanted at most 0**",
			"idempotent requests failed | at most 0 | 3 | NO", "gateway-2 (information)", "2 status_502 by lb, 1 timeout (no answer)",
			"100 sent, 97 acknowledged, 0 lost", "At 30 such faults per month (assumed)", "](timeline.svg)"},
		result.FileHTML:     {"<td class=\"left\">NO</td>", "kill gateway-2", "probes answered by", "gateway-2 (information)"},
		result.FileTimeline: {"second 1: 3 failed", "kill gateway-2, second 0.5 to 1.6", "flush redis", "second 1: 24 by gateway-1"},
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: no %q", file, want)
			}
		}
	}
	back, err := result.Read(filepath.Join(dir, result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range resulttest.Violations(t, []byte(rendered(t, result.FileJSON, back))) {
		t.Error(problem)
	}
	var table bytes.Buffer
	if err := Table(&table, back, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "acknowledged writes lost or half there") {
		t.Errorf("the terminal shows no expectations:\n%s", table.String())
	}
}

func TestWithoutAnExperimentThereIsNoTimeline(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, resulttest.Ladder()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, result.FileTimeline)); !os.IsNotExist(err) {
		t.Errorf("a timeline of a ladder: %v", err)
	}
}

func TestOverlappingBandsHaveRowsOfTheirOwn(t *testing.T) {
	rows, level := stacked([]result.Band{{FromS: 0, ToS: 4}, {FromS: 2, ToS: 5}, {FromS: 4, ToS: 6}, {FromS: 4.5, ToS: 6}})
	if rows != 3 || level[0] != 0 || level[1] != 1 || level[2] != 0 || level[3] != 2 {
		t.Errorf("%d rows, levels %v", rows, level)
	}
}
