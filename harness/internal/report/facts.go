package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// fact is a name and its value, in words, for lists.
type fact struct{ Name, Value string }

// manifestFacts are the manifest's, without its stages.
func manifestFacts(m *result.Manifest) []fact {
	var out []fact
	for _, f := range m.Facts() {
		out = append(out, fact(f))
	}
	return out
}

// stageFacts are what a stage's section lists beside its tables. What was not
// measured is left out.
func stageFacts(s *result.Stage) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" && value != figure.NA {
			out = append(out, fact{name, value})
		}
	}
	open, closed, both := scopes(s)
	add("replicas", strconv.Itoa(s.Replicas))
	add("load", loadText(s.Load))
	if s.QPS != nil {
		add("capacity (closed-loop)", figure.Rounded(*s.QPS)+" QPS"+ofCeiling(s)+roundsText(s))
	}
	if s.Requests != nil {
		add("requests"+both, figure.CountOr(s.Requests))
	}
	add("status"+open, counts(s.Status))
	add("errors"+open, counts(s.Errors))
	if c := s.Cache; c != nil {
		add("cache"+both, cacheText(c))
	}
	if l := s.Limits; l != nil {
		add("limits"+both, limitsText(l))
	}
	if p := s.Postgres; p != nil {
		add("Postgres pool"+both, postgresText(p))
	}
	if a := s.Availability; a != nil {
		add(
			"availability (probes during the load)",
			fmt.Sprintf("%s (95%% interval %s to %s), %s of %s probes failed", figure.Percent(a.Availability), figure.Percent(a.Low),
				figure.Percent(a.High), figure.Count(a.Failed), figure.Count(a.Probes)),
		)
	}
	if o := s.SLO; o != nil {
		add("SLO", sloText(o))
	}
	add("soak", soakText(s))
	add("traces (all attacks)", tracesText(s))
	add("CPU in use, of its limit"+closed, shares(s.Utilisation))
	add("peak memory, MiB"+both, figures(s.MemoryPeakMiB))
	if b := s.Bottleneck; b != nil {
		add("limited by", bottleneckText(b))
	}
	for i := range s.Attacks {
		add(workersLabel(s, &s.Attacks[i]), workersText(&s.Attacks[i]))
	}
	return out
}

// scopes say which attack a figure is of, where a stage has two.
func scopes(s *result.Stage) (open, closed, both string) {
	if s.Load.Model != result.Both {
		return "", "", ""
	}
	return " (open-loop)", " (closed-loop)", " (both loops)"
}

// loadText names the models with their sizes, closed first, as they are run.
func loadText(l result.Load) string {
	var parts []string
	if l.Connections != nil {
		d := l.DurationS
		if l.ClosedDurationS != nil {
			d = *l.ClosedDurationS
		}
		parts = append(parts, fmt.Sprintf("closed-loop, %d connections, %s s", *l.Connections, figure.Rounded(d)))
	}
	if l.OfferedQPS != nil {
		parts = append(parts, fmt.Sprintf("open-loop, %s requests/s, %s s", figure.Rounded(*l.OfferedQPS), figure.Rounded(l.DurationS)))
	}
	if len(parts) == 0 {
		parts = append(parts, l.Model)
	}
	if l.Rounds > 1 {
		parts = append(parts, fmt.Sprintf("%d rounds", l.Rounds))
	}
	if l.Workers != nil {
		parts = append(parts, fmt.Sprintf("%d workers", *l.Workers))
	}
	return strings.Join(parts, "; ")
}

func ofCeiling(s *result.Stage) string {
	if s.QPSOfCeiling == nil {
		return ""
	}
	return ", " + figure.Percent(*s.QPSOfCeiling) + " of the null server's"
}

// roundsText lists the QPS of each round; empty for fewer than two.
func roundsText(s *result.Stage) string {
	if len(s.QPSRounds) < 2 {
		return ""
	}
	var each []string
	for _, r := range s.QPSRounds {
		each = append(each, figure.Rounded(r.Value))
	}
	return "; rounds: " + strings.Join(each, ", ")
}

// cacheText lists what is known of the cache.
func cacheText(c *result.Cache) string {
	return named([]fact{
		{
			"hit ratio",
			figure.PercentOr(c.HitRatio),
		}, {"hits", figure.CountOr(c.Hits)}, {"misses", figure.CountOr(c.Misses)}, {"stale", figure.CountOr(c.Stale)},
		{
			"coalesced",
			figure.CountOr(c.Coalesced),
		}, {"bypassed", figure.CountOr(c.Bypassed)}, {"origin requests", figure.CountOr(c.OriginRequests)},
	})
}

// limitsText lists what is known of the limits.
func limitsText(l *result.Limits) string {
	return named([]fact{
		{
			"allowed",
			figure.CountOr(l.Allowed),
		}, {"limited", figure.CountOr(l.Limited)}, {"admitted beyond the limit", figure.CountOr(l.OverAdmitted)},
		{"the origin's own 429s", figure.CountOr(l.Origin429)},
	})
}

// postgresText lists what is known of the pool.
func postgresText(p *result.Postgres) string {
	whole := func(v *int) string {
		if v == nil {
			return figure.NA
		}
		return strconv.Itoa(*v)
	}
	return named(
		[]fact{
			{"connections per replica", whole(p.MaxConns)},
			{"in use, at most", whole(p.InUseMax)},
			{"wait p99", figure.MillisOr(p.WaitMSP99)},
		},
	)
}

// sloText says what was asked and whether it was met.
func sloText(o *result.SLO) string {
	if len(o.Objectives) > 0 {
		var parts []string
		for _, one := range o.Objectives {
			parts = append(parts, one.Text()+": "+one.Saw()+", "+one.Verdict())
		}
		return strings.Join(parts, "; ")
	}
	met := "not known"
	if o.Met != nil && *o.Met {
		met = "met"
	} else if o.Met != nil {
		met = "missed"
	}
	return strings.Join(asked(o), ", ") + ": " + met
}

// bottleneckText is the component with its evidence.
func bottleneckText(b *measure.Bottleneck) string {
	s := b.Component
	if b.Rule != "" {
		s += ": " + b.Rule
	}
	if b.Evidence != "" {
		s += " (" + b.Evidence + ")"
	}
	return s
}

// named joins the facts that are known.
func named(facts []fact) string {
	var parts []string
	for _, f := range facts {
		if f.Value != figure.NA {
			parts = append(parts, f.Name+": "+f.Value)
		}
	}
	return strings.Join(parts, "; ")
}

func counts(m map[string]uint64) string {
	return figure.Map(m, figure.Count)
}
func shares(m map[string]float64) string {
	return figure.Map(m, figure.Percent)
}
func figures(m map[string]float64) string { return figure.Map(m, figure.Rounded) }

// nodeGrid are the nodes of a stage.
func nodeGrid(m result.StageManifest) grid {
	g := grid{Title: "Nodes", Heads: []string{"node", "role", "CPUs", "memory", "settings"}, Text: []bool{0: true, 1: true, 4: true}}
	for _, n := range m.Nodes {
		cpus, memory := "no limit", "no limit"
		if n.CPUs > 0 {
			cpus = figure.Rounded(n.CPUs)
		}
		if n.MemoryMiB > 0 {
			memory = figure.Grouped(n.MemoryMiB) + " MiB"
		}
		g.add(false, n.Name, n.Role, cpus, memory, figure.Map(n.Settings, figure.Quoted))
	}
	return g
}

// subtitle is the run in one line.
func subtitle(r *result.Result) string {
	parts := []string{r.Scenario}
	if r.Profile != "" {
		parts = append(parts, "profile "+r.Profile)
	}
	parts = append(parts, "runtime "+r.Runtime, r.StartedAt.Format(time.RFC3339),
		"took "+r.FinishedAt.Sub(r.StartedAt).Round(time.Second).String())
	return strings.Join(parts, ", ")
}

// headline is the outcome in one sentence.
func headline(r *result.Result) string {
	if r.Experiment != nil {
		return experimentHeadline(r.Experiment)
	}
	if text := decision(r); text != "" {
		return text
	}
	rungs := r.Ladder()
	if len(rungs) == 1 && rungs[0].Valid && len(rungs[0].Countries) > 0 {
		return countryText(rungs[0].Stage)
	}
	s := r.Final()
	if s == nil {
		return "No stage has a valid figure."
	}
	var parts []string
	if s.QPS != nil {
		capacity := figure.Rounded(*s.QPS) + " QPS (closed-loop)"
		if s.VsFirst != nil {
			capacity += fmt.Sprintf(", %s of %s", figure.Times(s.VsFirst), r.Stages[0].Name)
		}
		parts = append(parts, capacity)
	}
	if s.LatencyMS != nil && s.Load.OfferedQPS != nil {
		parts = append(
			parts,
			fmt.Sprintf("at %s requests/s (open-loop) p50 %s, p99 %s", figure.Rounded(*s.Load.OfferedQPS), figure.MillisOr(s.P50()),
				figure.MillisOr(s.P99())),
		)
	}
	text := s.Name + ": " + strings.Join(parts, "; ")
	if s.ErrorRate != nil {
		text += ", errors " + figure.Percent(*s.ErrorRate)
	}
	if s.Availability != nil {
		text += ", availability " + figure.Percent(s.Availability.Availability)
	}
	return text
}
