package report

import (
	"fmt"
	"strings"
	"time"
)

// Brief is a run in a line: of the last valid stage that was measured. A figure
// that was not measured is "n/a".
type Brief struct {
	Stage                      string
	QPS, P50, P99, Errors      string // P50 and P99 with their unit
	Availability, CPU          string
	Commit                     string // short, with a mark where the tree was not clean
	Started                    time.Time
	Scenario, Profile, Runtime string
	Valid                      bool
}

// Brief sums the run up. The Result must be settled.
func (r *Result) Brief() Brief {
	b := Brief{QPS: na, P50: na, P99: na, Errors: na, Availability: na, CPU: na, Commit: r.Manifest.commit(),
		Started: r.StartedAt, Scenario: r.Scenario, Profile: r.Profile, Runtime: r.Runtime, Valid: r.Valid}
	if s := r.final(); s != nil {
		b.Stage, b.QPS, b.P50, b.P99 = s.Name, figureOr(s.QPS), spanOr(s.p50()), spanOr(s.p99())
		b.Errors, b.Availability, b.CPU = percentOr(s.ErrorRate), percentOr(s.availability()), figureOr(s.cpuTotal())
	}
	return b
}

func (m *Manifest) commit() string {
	c := m.Commit[:min(len(m.Commit), 9)]
	if m.Dirty != nil && *m.Dirty {
		c += "+changes"
	}
	return c
}

// Pairing is one stage of two runs, side by side.
type Pairing struct {
	Stage string
	Note  string // why there are no ratios; empty where there are
	Rows  []PairingRow
}

// PairingRow is one figure of both. Ratio is of the second to the first.
type PairingRow struct{ Metric, First, Second, Ratio string }

// Against puts a second run beside a first, by stage name. It is no paired
// comparison and judges nothing: the runs were measured at different times.
// Both must be settled.
func Against(first, second *Result) []Pairing {
	var out []Pairing
	for i := range first.Stages {
		a := &first.Stages[i]
		for j := range second.Stages {
			if b := &second.Stages[j]; b.Name == a.Name {
				out = append(out, pairing(a, b))
			}
		}
	}
	return out
}

func pairing(a, b *Stage) Pairing {
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
		of   func(*Stage) *float64
		say  func(*float64) string
	}{
		{"QPS, closed-loop", func(s *Stage) *float64 { return s.QPS }, figureOr},
		{"offered, open-loop", func(s *Stage) *float64 { return s.Load.OfferedQPS }, figureOr},
		{"p50", (*Stage).p50, spanOr},
		{"p99", (*Stage).p99, spanOr},
		{"errors", func(s *Stage) *float64 { return s.ErrorRate }, percentOr},
		{"CPU us per request", (*Stage).cpuTotal, figureOr},
	} {
		row := PairingRow{Metric: m.name, First: m.say(m.of(a)), Second: m.say(m.of(b)), Ratio: na}
		if q := divided(m.of(b), m.of(a)); q != nil && p.Note == "" {
			row.Ratio = fmt.Sprintf("%.2f", *q)
			if *q < 0.1 {
				row.Ratio = fmt.Sprintf("%.2g", *q)
			}
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

// Differences are what the manifests of two runs do not agree on: a ratio is
// of all of it together.
func Differences(first, second *Result) [][3]string {
	list := func(r *Result) []fact {
		return append([]fact{{"profile", r.Profile}, {"runtime of the lab", r.Runtime}}, r.Manifest.facts()...)
	}
	a, b := list(first), list(second)
	value := func(in []fact, name string) string {
		for _, f := range in {
			if f.Name == name {
				return f.Value
			}
		}
		return na
	}
	var out [][3]string
	done := map[string]bool{"command": true, "host": true}
	for _, f := range append(a, b...) {
		if x, y := value(a, f.Name), value(b, f.Name); !done[f.Name] && x != y {
			out = append(out, [3]string{f.Name, x, y})
		}
		done[f.Name] = true
	}
	return out
}
