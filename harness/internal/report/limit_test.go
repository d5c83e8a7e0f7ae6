package report

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestWhatALimitAdmittedIsShown(t *testing.T) {
	h := &result.LimitHeld{
		Permits: 300, WindowS: 1, Fullest: 300, Crowded: 311, Commands: new(0.032),
		CPURatio: new(1.05), CPUFree: new(100.0), CPUCount: new(105.0),
		Whole:  result.WindowsHeld{Windows: 2, Allowed: 600, Admitted: 599, Share: 599.0 / 600},
		Faulty: result.WindowsHeld{Windows: 1, Allowed: 300, Admitted: 311, Share: 311.0 / 300},
		Windows: []result.LimitWindow{
			{Admitted: 300, Certain: 300}, {Admitted: 299, Certain: 299}, {Admitted: 311, Certain: 311, Faulty: true},
		},
	}
	g := limitGrid(h)
	if !strings.Contains(g.Title, "300 permits per 1 s") || !strings.Contains(g.Note, "0.032") || !strings.Contains(g.Note, "1.05 times") {
		t.Errorf("%s: %s", g.Title, g.Note)
	}
	if len(g.Rows) != 2 || g.Bad[0] || !g.Bad[1] {
		t.Fatalf("rows %+v", g.Rows)
	}
	if got := strings.Join(g.Rows[0], " "); !strings.HasPrefix(got, "without a fault 2 600 599 ") || !strings.HasSuffix(got, " 299 300") {
		t.Errorf("%q", got)
	}
	if none, nothing := limitGrid(nil), tokenGrid(nil); !none.empty() || !nothing.empty() {
		t.Error("a table without figures")
	}
	tokens := tokenGrid(&result.TokensHeld{Limit: 1000, Served: 1001, Counted: 1001, Share: 1.001})
	if len(tokens.Rows) != 1 || !tokens.Bad[0] {
		t.Errorf("more tokens than allowed: %+v", tokens.Rows)
	}
}
