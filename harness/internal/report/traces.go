package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// traceGrid is which way traces took, and what is wrong with those that are not whole.
func traceGrid(s *result.Stage) grid {
	g := grid{
		Title: "Traces",
		Note: "By the services that a trace came to. A trace is whole if it has one root, no span lacks its parent or is outside of it in time," +
			" and a server's span continues it wherever there was a response. One may have several faults.",
		Heads: []string{"traces", "count", "share", "such as"},
		Text:  []bool{0: true, 3: true},
	}
	t := s.Traces
	if t == nil {
		return g
	}
	row := func(bad bool, what string, n uint64, example string) {
		share := figure.NA
		if t.Traces > 0 {
			share = figure.Percent(float64(n) / float64(t.Traces))
		}
		g.add(bad, what, figure.Count(n), share, example)
	}
	for _, path := range byCount(t.Paths) {
		row(false, path, t.Paths[path], "")
	}
	for _, fault := range byCount(t.Faults) {
		example := ""
		if i := slices.IndexFunc(t.Examples, func(e result.TraceExample) bool { return e.Fault == fault }); i >= 0 {
			example = t.Examples[i].Trace + ": " + t.Examples[i].Detail
		}
		row(true, "broken: "+fault, t.Faults[fault], example)
	}
	return g
}

// byCount are names, the one with the highest count first.
func byCount(of map[string]uint64) []string {
	return slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) })
}

// tracesText sums the traces up; empty where the stage has no collector of traces.
func tracesText(s *result.Stage) string {
	t := s.Traces
	if t == nil {
		return ""
	}
	text := fmt.Sprintf("%s of %s whole, %s spans", figure.Count(t.Whole), figure.Count(t.Traces), figure.Count(t.Spans))
	if t.Requests != nil && *t.Requests > 0 {
		share := float64(t.Begun) / float64(*t.Requests)
		text += fmt.Sprintf("; %s of the requests sampled, want %s", figure.Percent(share), figure.Percent(t.Sample))
	}
	if t.Clients > 0 {
		text += fmt.Sprintf("; %s begun by probes", figure.Count(t.Clients))
	}
	return text
}
