package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fact is a name and what it is, for lists.
type fact struct{ Name, Value string }

// facts are what a stage's own section says beside its tables. What was not
// measured is left out: a list, unlike a table, has no holes to fill.
func (s *Stage) facts() []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" && value != na {
			out = append(out, fact{name, value})
		}
	}
	add("replicas", strconv.Itoa(s.Replicas))
	add("load", s.Load.String())
	if s.QPS != nil {
		add("capacity (closed-loop)", figure(*s.QPS)+" QPS"+s.ofCeiling()+s.spread())
	}
	if s.Requests != nil {
		add("requests", countOr(s.Requests))
	}
	add("status", counts(s.Status))
	add("errors", counts(s.Errors))
	if c := s.Cache; c != nil {
		add("cache", c.String())
	}
	if l := s.Limits; l != nil {
		add("limits", l.String())
	}
	if p := s.Postgres; p != nil {
		add("Postgres pool", p.String())
	}
	if a := s.Availability; a != nil {
		add("availability", fmt.Sprintf("%s (95%% interval %s to %s), %s of %s probes failed", percent(a.Availability), percent(a.Low), percent(a.High), grouped(float64(a.Failed)), grouped(float64(a.Probes))))
	}
	if o := s.SLO; o != nil {
		add("SLO", o.String())
	}
	add("CPU in use, of its limit", shares(s.Utilisation))
	add("peak memory, MiB", figures(s.MemoryPeakMiB))
	if b := s.Bottleneck; b != nil {
		add("limited by", b.String())
	}
	return out
}

// String names the models with their sizes, closed first, as they are run.
func (l Load) String() string {
	var parts []string
	if l.Connections != nil {
		d := l.DurationS
		if l.ClosedDurationS != nil {
			d = *l.ClosedDurationS
		}
		parts = append(parts, fmt.Sprintf("closed-loop, %d connections, %s s", *l.Connections, figure(d)))
	}
	if l.OfferedQPS != nil {
		parts = append(parts, fmt.Sprintf("open-loop, %s requests/s, %s s", figure(*l.OfferedQPS), figure(l.DurationS)))
	}
	if len(parts) == 0 {
		parts = append(parts, l.Model)
	}
	if l.Rounds > 1 {
		parts = append(parts, fmt.Sprintf("%d rounds", l.Rounds))
	}
	return strings.Join(parts, "; ")
}

func (s *Stage) ofCeiling() string {
	if s.QPSOfCeiling == nil {
		return ""
	}
	return ", " + percent(*s.QPSOfCeiling) + " of the null server's"
}

// spread shows the rounds, never only their middle.
func (s *Stage) spread() string {
	if len(s.QPSRounds) < 2 {
		return ""
	}
	var each []string
	for _, r := range s.QPSRounds {
		each = append(each, figure(r.Value))
	}
	return "; rounds: " + strings.Join(each, ", ")
}

// String lists what is known of the cache.
func (c *Cache) String() string {
	return named([]fact{
		{"hit ratio", percentOr(c.HitRatio)}, {"hits", countOr(c.Hits)}, {"misses", countOr(c.Misses)}, {"stale", countOr(c.Stale)},
		{"coalesced", countOr(c.Coalesced)}, {"bypassed", countOr(c.Bypassed)}, {"origin requests", countOr(c.OriginRequests)},
	})
}

// String lists what is known of the limits.
func (l *Limits) String() string {
	return named([]fact{
		{"allowed", countOr(l.Allowed)}, {"limited", countOr(l.Limited)}, {"admitted beyond the limit", countOr(l.OverAdmitted)},
		{"the origin's own 429s", countOr(l.Origin429)},
	})
}

// String lists what is known of the pool.
func (p *Postgres) String() string {
	whole := func(v *int) string {
		if v == nil {
			return na
		}
		return strconv.Itoa(*v)
	}
	return named([]fact{{"connections a replica, at most", whole(p.MaxConns)}, {"in use, at most", whole(p.InUseMax)}, {"wait p99", spanOr(p.WaitMSP99)}})
}

// String says what was asked and whether it was met.
func (o *SLO) String() string {
	var asked []string
	if o.P99MS != nil {
		asked = append(asked, "p99 <= "+span(*o.P99MS))
	}
	if o.ErrorRate != nil {
		asked = append(asked, "errors <= "+percent(*o.ErrorRate))
	}
	met := "not known"
	if o.Met != nil && *o.Met {
		met = "met"
	} else if o.Met != nil {
		met = "missed"
	}
	return strings.Join(asked, ", ") + ": " + met
}

// String is the component with its evidence.
func (b *Bottleneck) String() string {
	s := b.Component
	for _, more := range []string{b.Rule, b.Evidence} {
		if more != "" {
			s += "; " + more
		}
	}
	return s
}

// named joins the facts that are known.
func named(facts []fact) string {
	var parts []string
	for _, f := range facts {
		if f.Value != na {
			parts = append(parts, f.Name+": "+f.Value)
		}
	}
	return strings.Join(parts, "; ")
}

func counts(m map[string]uint64) string {
	return each(m, func(v uint64) string { return grouped(float64(v)) })
}
func shares(m map[string]float64) string {
	return each(m, percent)
}
func figures(m map[string]float64) string { return each(m, figure) }

func each[V any](m map[string]V, say func(V) string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+": "+say(m[k]))
	}
	return strings.Join(parts, "; ")
}

// facts are the manifest as a list, stages apart.
func (m *Manifest) facts() []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, value})
		}
	}
	commit := m.Commit
	if m.Dirty != nil && *m.Dirty {
		commit += " with changes that are not committed"
	}
	add("commit", commit)
	add("version", m.Version)
	add("Go", m.GoVersion)
	add("system", strings.TrimSpace(m.OS+" "+m.Kernel))
	if m.Cores > 0 {
		add("CPU", strings.TrimSpace(fmt.Sprintf("%d x %s", m.Cores, m.CPUModel)))
	}
	if m.MemoryMiB > 0 {
		add("memory", grouped(m.MemoryMiB)+" MiB")
	}
	add("cgroup", m.Cgroup)
	add("runtime", each(m.Runtime, plain))
	add("images", each(m.Images, plain))
	for _, program := range slices.Sorted(maps.Keys(m.Durability)) {
		add("durability of "+program, each(m.Durability[program], plain))
	}
	add("host", figures(m.Host))
	add("seed", strconv.FormatUint(m.Seed, 10))
	add("command", strings.Join(m.CommandLine, " "))
	return out
}

func plain(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

// nodes is what a stage was made of.
func (m StageManifest) nodes() grid {
	g := grid{Title: "Nodes", Heads: []string{"node", "role", "CPUs", "memory", "settings"}, Text: []bool{0: true, 1: true, 4: true}}
	for _, n := range m.Nodes {
		cpus, memory := "no limit", "no limit"
		if n.CPUs > 0 {
			cpus = figure(n.CPUs)
		}
		if n.MemoryMiB > 0 {
			memory = grouped(n.MemoryMiB) + " MiB"
		}
		g.add(false, n.Name, n.Role, cpus, memory, each(n.Settings, plain))
	}
	return g
}

// subtitle is the run in one line.
func (r *Result) subtitle() string {
	parts := []string{r.Scenario}
	if r.Profile != "" {
		parts = append(parts, "profile "+r.Profile)
	}
	parts = append(parts, "runtime "+r.Runtime, r.StartedAt.Format(time.RFC3339), "took "+r.FinishedAt.Sub(r.StartedAt).Round(time.Second).String())
	return strings.Join(parts, ", ")
}

// headline is the last valid stage in one sentence, for who reads no further.
func (r *Result) headline() string {
	if r.Experiment != nil {
		return r.Experiment.headline()
	}
	if text := r.decided(); text != "" {
		return text
	}
	rungs := r.ladder()
	if len(rungs) == 1 && rungs[0].Valid && len(rungs[0].Countries) > 0 {
		return rungs[0].distance()
	}
	s := r.final()
	if s == nil {
		return "No stage has a valid figure."
	}
	var parts []string
	if s.QPS != nil {
		capacity := figure(*s.QPS) + " QPS (closed-loop)"
		if s.VsFirst != nil {
			capacity += fmt.Sprintf(", %s of %s", times(s.VsFirst), r.Stages[0].Name)
		}
		parts = append(parts, capacity)
	}
	if s.LatencyMS != nil && s.Load.OfferedQPS != nil {
		parts = append(parts, fmt.Sprintf("at %s requests/s (open-loop) p50 %s, p99 %s", figure(*s.Load.OfferedQPS), spanOr(s.p50()), spanOr(s.p99())))
	}
	text := s.Name + ": " + strings.Join(parts, "; ")
	if s.ErrorRate != nil {
		text += ", errors " + percent(*s.ErrorRate)
	}
	if s.Availability != nil {
		text += ", availability " + percent(s.Availability.Availability)
	}
	return text
}
