package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// TestRowsAreInTheTablesThatTheyHaveFiguresFor has a row of rounds, one under a fault, and one that no arm got to.
func TestRowsAreInTheTablesThatTheyHaveFiguresFor(t *testing.T) {
	x := &result.Matrix{
		Reference: "a", Arms: []result.MatrixArm{{Name: "a"}, {Name: "b"}},
		Rows: []result.MatrixRow{
			{Policy: "rounds", Cells: []result.MatrixCell{
				{Arm: "a", Outcome: result.CellMeasured, CPUUS: new(50.0), P50MS: new(1.0), Figures: map[string]float64{result.FigureSwitches: 2.5}},
				{Arm: "b", Outcome: result.CellExcluded, Reasons: []string{"it differs"}},
			}},
			{Policy: "under-a-fault", Cells: []result.MatrixCell{
				{Arm: "a", Outcome: result.CellMeasured, P50MS: new(2.0), Figures: map[string]float64{result.FigureFailed: 7}},
				{Arm: "b", Outcome: result.CellMeasured, P50MS: new(3.0), Figures: map[string]float64{result.FigureFailed: 0}},
			}},
			{Policy: "not-reached", Cells: []result.MatrixCell{{Arm: "a", Outcome: result.CellFailed}, {Arm: "b", Outcome: result.CellLacks}}},
		},
	}
	var markdown strings.Builder
	if err := MatrixMarkdown(&markdown, x); err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, v := range matrixViews(x) {
		var rows []string
		for _, r := range v.Rows {
			rows = append(rows, r.Policy)
			for _, c := range r.Cells {
				if c.Text == result.CellMeasured {
					t.Errorf("%s: a cell says %q in place of a figure", v.Title, c.Text)
				}
			}
		}
		tables[v.Title] = strings.Join(rows, " ")
		if !strings.Contains(markdown.String(), "### "+v.Title+"\n") {
			t.Errorf("the Markdown has no table %q", v.Title)
		}
	}
	for title, want := range map[string]string{
		"CPU per request, us": "rounds not-reached", "p50, ms": "rounds under-a-fault not-reached", "Context switches per request": "rounds",
		"Idempotent requests that failed under the fault": "under-a-fault", "Time to the first event, p50, ms": "",
	} {
		if tables[title] != want {
			t.Errorf("%s has the rows %q, want %q", title, tables[title], want)
		}
	}
	figures := matrixMetrics()
	if i := slices.IndexFunc(figures, func(m matrixMetric) bool { return m.name == "cpu" }); !figures[i].has(&x.Rows[2]) {
		t.Error("a row that no arm got to is in no table")
	}
}
