// Package export writes a run for other tools: as OpenMetrics text with timestamps, which promtool imports, and to a Prometheus by remote
// write. The series of both are the same.
package export

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// OpenMetrics writes a run as OpenMetrics text.
func OpenMetrics(w io.Writer, r *result.Result) error {
	for _, f := range Families(r) {
		if _, err := expfmt.MetricFamilyToOpenMetrics(w, f); err != nil {
			return fmt.Errorf("openmetrics: %s: %w", f.GetName(), err)
		}
	}
	if _, err := expfmt.FinalizeOpenMetrics(w); err != nil {
		return fmt.Errorf("openmetrics: %w", err)
	}
	return nil
}

// Families are the series of a run, the samples of each together and in order of time: gauges of every second of its attacks, and of what
// its stages came to, at the end of the run.
func Families(r *result.Result) []*dto.MetricFamily {
	g := &gatherer{run: labels{"run": r.RunID, "scenario": r.Scenario}, at: r.FinishedAt}
	m := &r.Manifest
	g.end("harness_run_info", "1, labelled with what the run was made of.", 1, labels{
		"profile": r.Profile, "runtime": r.Runtime, "kind": string(r.Kind()), "version": m.Version, "commit": m.Commit, "cpu": m.CPUModel,
		"cores": strconv.Itoa(m.Cores),
	})
	g.end("harness_run_valid", "1 if all figures of the run may be used.", one(r.Valid), nil)
	g.end("harness_run_duration_seconds", "Length of the run.", r.FinishedAt.Sub(r.StartedAt).Seconds(), nil)
	if r.Ceiling != nil {
		g.end("harness_run_ceiling_rate", "Requests per second of the null server in the same run.", r.Ceiling.QPS, nil)
	}
	for i := range r.Stages {
		g.stage(&r.Stages[i])
	}
	for _, f := range r.Faults {
		g.fault(f)
	}
	for _, c := range r.Capacity {
		if c.QPS != nil {
			g.end("harness_capacity_rate", "Highest rate within the SLO.", *c.QPS, labels{"stage": c.Stage, "slo": c.SLO})
		}
	}
	for _, f := range g.families {
		slices.SortStableFunc(f.Metric, func(a, b *dto.Metric) int {
			return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.GetTimestampMs(), b.GetTimestampMs()))
		})
	}
	return g.families
}

// key is a sample's series within its family.
func key(m *dto.Metric) string {
	var b strings.Builder
	for _, l := range m.Label {
		fmt.Fprintf(&b, "%s=%q,", l.GetName(), l.GetValue())
	}
	return b.String()
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

type labels map[string]string

// gatherer puts samples into families, in the order in which their names first come.
type gatherer struct {
	run      labels
	at       time.Time // the end of the run
	families []*dto.MetricFamily
}

// add adds a sample. Labels without a value are left out.
func (g *gatherer) add(name, help string, value float64, at time.Time, more labels) {
	i := slices.IndexFunc(g.families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if i < 0 {
		i = len(g.families)
		g.families = append(g.families, &dto.MetricFamily{Name: proto.String(name), Help: proto.String(help), Type: dto.MetricType_GAUGE.Enum()})
	}
	m := &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(value)}, TimestampMs: proto.Int64(at.UnixMilli())}
	all := maps.Clone(g.run)
	maps.Copy(all, more)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if all[key] != "" {
			m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(key), Value: proto.String(all[key])})
		}
	}
	g.families[i].Metric = append(g.families[i].Metric, m)
}

// end adds a sample at the end of the run.
func (g *gatherer) end(name, help string, value float64, more labels) {
	g.add(name, help, value, g.at, more)
}

// some adds a sample at the end of the run if there is a figure, divided by what makes it Prometheus's unit.
func (g *gatherer) some(name, help string, v *float64, by float64, more labels) {
	if v != nil {
		g.end(name, help, *v/by, more)
	}
}

// Units of results in those of Prometheus: so many are one.
const (
	milli = 1e3
	micro = 1e6
	mebi  = 1.0 / (1 << 20)
)

func (g *gatherer) stage(s *result.Stage) {
	of := labels{"stage": s.Name}
	with := func(more labels) labels {
		out := maps.Clone(of)
		maps.Copy(out, more)
		return out
	}
	g.end("harness_stage_valid", "1 if the stage's figures may be used.", one(s.Valid), of)
	g.some("harness_stage_closed_loop_rate", "Successes per second of the closed-loop attack.", s.QPS, 1, of)
	g.some("harness_stage_offered_rate", "Requests per second of the open-loop attack.", s.Load.OfferedQPS, 1, of)
	g.latency("harness_stage_latency_seconds", "Corrected latency of successes, open-loop.", s.LatencyMS, with)
	g.some("harness_stage_error_ratio", "Share of requests that failed.", s.ErrorRate, 1, of)
	g.some("harness_stage_cache_hit_ratio", "Share of cache hits of what may be cached.", s.HitRatio(), 1, of)
	g.some("harness_stage_availability_ratio", "Share of probes that were answered well.", s.AvailabilityShare(), 1, of)
	for _, role := range s.Roles() {
		v := s.CPUPerRequestUS[role]
		g.some("harness_stage_cpu_seconds_per_request", "CPU time per request of a role of nodes.", &v, micro, with(labels{"role": role}))
	}
	for _, node := range slices.Sorted(maps.Keys(s.MemoryPeakMiB)) {
		v := s.MemoryPeakMiB[node]
		g.some("harness_stage_memory_peak_bytes", "Highest memory of a node.", &v, mebi, with(labels{"node": node}))
	}
	if s.SLO != nil {
		for _, o := range s.SLO.Objectives {
			if o.Met != nil {
				g.end("harness_stage_objective_met", "1 if the objective was met.", one(*o.Met), with(labels{"objective": o.Text()}))
			}
		}
	}
	for i := range s.Attacks {
		g.attack(&s.Attacks[i], with)
	}
}

// latency are the percentiles that are known.
func (g *gatherer) latency(name, help string, l *result.Latency, with func(labels) labels) {
	if l == nil {
		return
	}
	for _, q := range []struct {
		quantile string
		ms       *float64
	}{{"0.5", l.P50}, {"0.9", l.P90}, {"0.95", l.P95}, {"0.99", l.P99}, {"0.999", l.P999}, {"1", l.Max}} {
		g.some(name, help, q.ms, milli, with(labels{"quantile": q.quantile}))
	}
}

// attack are an attack's seconds, one series after the other: samples of a series must stand together, in order of time.
func (g *gatherer) attack(a *result.Attack, with func(labels) labels) {
	of := func(more labels) labels {
		more["model"], more["round"] = a.Model, strconv.Itoa(a.Round)
		return with(more)
	}
	each := func(name, help string, more labels, value func(*result.Second) *float64) {
		for i := range a.Series {
			s := &a.Series[i]
			if v := value(s); v != nil {
				g.add(name, help, *v, a.BeganAt.Add(time.Duration(s.Offset+1)*time.Second), of(maps.Clone(more)))
			}
		}
	}
	for _, outcome := range []struct {
		name string
		of   func(*result.Second) uint64
	}{
		{"success", func(s *result.Second) uint64 { return s.Successes }},
		{"limited", func(s *result.Second) uint64 { return s.Limited }},
		{"error", func(s *result.Second) uint64 { return s.Failed }},
	} {
		each("harness_attack_rate", "Requests in a second of an attack, by outcome.", labels{"outcome": outcome.name},
			func(s *result.Second) *float64 { return new(float64(outcome.of(s))) })
	}
	scaled := func(ms *float64) *float64 {
		if ms == nil {
			return nil
		}
		return new(*ms / milli)
	}
	const latencyHelp = "Latency of the successes in a second of an attack: corrected in an open loop."
	each("harness_attack_latency_seconds", latencyHelp, labels{"quantile": "0.5"}, func(s *result.Second) *float64 { return scaled(s.P50MS) })
	each("harness_attack_latency_seconds", latencyHelp, labels{"quantile": "0.99"}, func(s *result.Second) *float64 { return scaled(s.P99MS) })
	each("harness_attack_cache_hit_ratio", "Share of cache hits of the requests in a second of an attack.", labels{},
		func(s *result.Second) *float64 {
			if s.Hits == nil || s.Requests == 0 {
				return nil
			}
			return new(float64(*s.Hits) / float64(s.Requests))
		})
}

// fault is 1 from its injection and 0 from its recovery on.
func (g *gatherer) fault(f result.Fault) {
	const name, help = "harness_run_fault_active", "1 from a fault's injection, 0 from its recovery on."
	of := labels{"fault": f.Name, "target": f.Target, "stage": f.Stage, "round": strconv.Itoa(f.Round)}
	g.add(name, help, 1, f.InjectedAt, of)
	if f.RecoveredAt != nil {
		g.add(name, help, 0, *f.RecoveredAt, of)
	}
}
