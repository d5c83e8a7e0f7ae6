package report

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// manyFaults is the number of faults above which a terminal shows them by kind.
const manyFaults = 30

// faultKindGrid sums the faults up by what was done to which role's nodes. Empty
// where there are few.
func faultKindGrid(r *result.Result) grid {
	g := grid{
		Title: "Faults by kind",
		Note: "Probes count from each fault to the end of its consequences. If faults overlap, a probe counts for each of them." +
			" Longest: the longest of any fault of this kind.",
		Heads: []string{
			"fault", "times", "effect observed", "recovered", "probes", "failed", "longest outage", "longest impact",
			"longest recovery", "lost writes",
		},
		Text: []bool{true},
	}
	if len(r.Faults) <= manyFaults {
		return g
	}
	kinds := map[string][]result.Fault{}
	for _, f := range r.Faults {
		name := f.Name + " " + role(f.Target)
		kinds[name] = append(kinds[name], f)
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		var seen, recovered int
		var probes, failed, lost uint64
		outage := result.Longest(kinds[name], func(f *result.Fault) *float64 { return f.OutageMS })
		impact := result.Longest(kinds[name], func(f *result.Fault) *float64 { return f.ImpactMS })
		again := result.Longest(kinds[name], func(f *result.Fault) *float64 { return f.TimeToRecoverMS })
		for _, f := range kinds[name] {
			if f.EffectObservedAt != nil {
				seen++
			}
			if f.RecoveredAt != nil {
				recovered++
			}
			probes += orZero(f.Probes)
			failed += orZero(f.Failed)
			lost += orZero(f.LostWrites)
		}
		g.add(seen < len(kinds[name]) || recovered < len(kinds[name]), name, fmt.Sprint(len(kinds[name])), fmt.Sprint(seen),
			fmt.Sprint(recovered), figure.Count(probes), figure.Count(failed), figure.MillisOr(outage), figure.MillisOr(impact),
			figure.MillisOr(again), figure.Count(lost))
	}
	return g
}

// role is a node's name without its number.
func role(node string) string {
	for i := len(node) - 1; i > 0; i-- {
		switch c := node[i]; {
		case c >= '0' && c <= '9':
		case c == '-' && i < len(node)-1:
			return node[:i]
		default:
			return node
		}
	}
	return node
}

func orZero(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}
