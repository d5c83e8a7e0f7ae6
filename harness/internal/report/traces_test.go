package report

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func TestTracesInWords(t *testing.T) {
	s := &result.Stage{Name: "traced", Traces: &result.Traces{
		Sample: 0.01, Traces: 100, Spans: 432, Whole: 97, Begun: 90, Requests: ptr(uint64(9000)), Clients: 10,
		Paths:  map[string]uint64{"gateway > origin": 87, "worker > gateway > origin": 10},
		Faults: map[string]uint64{"missing parent": 3, "no root": 1},
		Examples: []result.TraceExample{
			{Trace: "ab", Fault: "no root", Detail: "x"}, {Trace: "cd", Fault: "missing parent", Detail: "its parent 12 was not received"},
		},
	}}
	g := traceGrid(s)
	for i, want := range []string{
		"gateway > origin|87|87%|", "worker > gateway > origin|10|10%|",
		"broken: missing parent|3|3%|cd: its parent 12 was not received", "broken: no root|1|1%|ab: x",
	} {
		if len(g.Rows) != 4 || strings.Join(g.Rows[i], "|") != want || g.Bad[i] != (i > 1) {
			t.Fatalf("rows %q, bad %v: want %q at %d", g.Rows, g.Bad, want, i)
		}
	}
	if got := tracesText(s); got != "97 of 100 whole, 432 spans; 1% of the requests sampled, want 1%; 10 begun by probes" {
		t.Error(got)
	}
	s.Traces = nil
	if g := traceGrid(s); !g.empty() || tracesText(s) != "" {
		t.Errorf("without a collector: %q, %q", g.Rows, tracesText(s))
	}
}
