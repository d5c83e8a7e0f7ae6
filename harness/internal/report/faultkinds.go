package report

import (
	"fmt"
	"maps"
	"slices"
)

// manyFaults is from when on faults are shown by kind first: nobody reads three
// hundred rows on a terminal.
const manyFaults = 30

// faultKinds sums the faults up by what was done to which role's nodes. Empty
// where there are few.
func (r *Result) faultKinds() grid {
	g := grid{
		Title: "Faults by kind",
		Note:  "Probes are those from each fault to the end of its consequences; those of faults that overlap count for each. Longest: of any one of the kind.",
		Heads: []string{"fault", "times", "effect seen", "mended", "probes", "failed", "longest outage", "hurt probes for at most", "used again after at most", "lost writes"},
		Text:  []bool{true},
	}
	if len(r.Faults) <= manyFaults {
		return g
	}
	kinds := map[string][]Fault{}
	for _, f := range r.Faults {
		name := f.Name + " " + role(f.Target)
		kinds[name] = append(kinds[name], f)
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		var seen, mended int
		var probes, failed, lost uint64
		var outage, hurt, again *float64
		for _, f := range kinds[name] {
			if f.EffectObservedAt != nil {
				seen++
			}
			if f.RecoveredAt != nil {
				mended++
			}
			probes, failed, lost = probes+orZero(f.Probes), failed+orZero(f.Failed), lost+orZero(f.LostWrites)
			outage, hurt, again = larger(outage, f.OutageMS), larger(hurt, f.TimeToDetectMS), larger(again, f.TimeToRecoverMS)
		}
		g.add(seen < len(kinds[name]) || mended < len(kinds[name]), name, fmt.Sprint(len(kinds[name])), fmt.Sprint(seen), fmt.Sprint(mended),
			grouped(float64(probes)), grouped(float64(failed)), spanOr(outage), spanOr(hurt), spanOr(again), grouped(float64(lost)))
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

func larger(a, b *float64) *float64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}
