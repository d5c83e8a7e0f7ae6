package result

import (
	"strings"
	"time"
)

// Summary is a run in a few figures: those of its last valid stage that was
// measured. A figure that was not measured is nil.
type Summary struct {
	Scenario  string
	Profile   string
	Runtime   string
	Commit    string // short, with a mark where the tree was not clean
	Started   time.Time
	Valid     bool
	Stage     string   // empty: no stage has a valid figure
	QPS       *float64 // closed-loop
	P50MS     *float64 // corrected, open-loop
	P99MS     *float64 // corrected, open-loop
	ErrorRate *float64 // 0 to 1
	// Availability is the probes' share of successes, 0 to 1.
	Availability *float64
	CPUTotalUS   *float64 // per request, all components
}

// Summary sums the run up. The Result must be settled.
func (r *Result) Summary() Summary {
	out := Summary{
		Scenario: r.Scenario, Profile: r.Profile, Runtime: r.Runtime,
		Commit: r.Manifest.ShortCommit(), Started: r.StartedAt, Valid: r.Valid,
	}
	if s := r.Final(); s != nil {
		out.Stage = s.Name
		out.QPS = s.QPS
		out.P50MS, out.P99MS = s.P50(), s.P99()
		out.ErrorRate = s.ErrorRate
		out.Availability = s.AvailabilityShare()
		out.CPUTotalUS = s.CPUTotalUS()
	}
	return out
}

// Unit of a figure in a Pairing.
type Unit string

// Units.
const (
	UnitNone  Unit = ""   // a rate, a count, a time per request
	UnitMS    Unit = "ms" // milliseconds
	UnitShare Unit = "%"  // a share, 0 to 1
)

// Pairing is one stage of two runs, side by side.
type Pairing struct {
	Stage string
	Note  string // why there are no ratios; empty where there are
	Rows  []PairingRow
}

// PairingRow is one figure of both runs. A figure that was not measured is nil,
// and so is the ratio to it.
type PairingRow struct {
	Metric string
	Unit   Unit
	First  *float64
	Second *float64
	Ratio  *float64 // of the second to the first
}

// Pair puts the stages that two runs have in common side by side. It is no paired
// comparison and judges nothing: the runs were measured at different times. Both
// must be settled.
func Pair(first, second *Result) []Pairing {
	var out []Pairing
	for i := range first.Stages {
		a := &first.Stages[i]
		for j := range second.Stages {
			if b := &second.Stages[j]; b.Name == a.Name {
				out = append(out, pairStages(a, b))
			}
		}
	}
	return out
}

func pairStages(a, b *Stage) Pairing {
	p := Pairing{Stage: a.Name}
	var invalid []string
	for i, s := range []*Stage{a, b} {
		if !s.Valid {
			invalid = append(invalid, []string{"first", "second"}[i])
		}
	}
	if len(invalid) > 0 {
		p.Note = "INVALID in the " + strings.Join(invalid, " and the ") + " run: no ratio is given"
	}
	for _, m := range []struct {
		name string
		unit Unit
		of   func(*Stage) *float64
	}{
		{"QPS, closed-loop", UnitNone, func(s *Stage) *float64 { return s.QPS }},
		{"offered, open-loop", UnitNone, func(s *Stage) *float64 { return s.Load.OfferedQPS }},
		{"p50", UnitMS, (*Stage).P50},
		{"p99", UnitMS, (*Stage).P99},
		{"errors", UnitShare, func(s *Stage) *float64 { return s.ErrorRate }},
		{"CPU us per request", UnitNone, (*Stage).CPUTotalUS},
	} {
		row := PairingRow{Metric: m.name, Unit: m.unit, First: m.of(a), Second: m.of(b)}
		if p.Note == "" {
			row.Ratio = divided(row.Second, row.First)
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

// Difference is a setting on which two runs do not agree. An empty value is not
// known.
type Difference struct{ Name, First, Second string }

// Differences lists what the manifests of two runs do not agree on: a ratio of
// their figures contains the effect of all of it.
func Differences(first, second *Result) []Difference {
	list := func(r *Result) []Fact {
		return append([]Fact{{"profile", r.Profile}, {"runtime of the lab", r.Runtime}}, r.Manifest.Facts()...)
	}
	a, b := list(first), list(second)
	value := func(in []Fact, name string) string {
		for _, f := range in {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	var out []Difference
	done := map[string]bool{"command": true, "host": true}
	for _, f := range append(a, b...) {
		if x, y := value(a, f.Name), value(b, f.Name); !done[f.Name] && x != y {
			out = append(out, Difference{f.Name, x, y})
		}
		done[f.Name] = true
	}
	return out
}
