package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
)

func ptr[T any](v T) *T { return &v }

// assemble turns what was measured of a stage into the report's words.
func (r *run) assemble(m *measured) {
	s := report.Stage{
		Name: m.stage.Name, Changes: m.stage.Changes, Replicas: m.stage.Topology.Replicas,
		Valid: true, InvalidReasons: []string{}, Warnings: r.standIns(),
	}
	closed, open := merge(m.closed), merge(m.open)
	s.Load = loadOf(m, closed, open)
	var requests uint64
	if closed != nil {
		requests += closed.Requests
		s.QPS = ptr(closed.QPS())
		if r.ceiling > 0 {
			s.QPSOfCeiling = ptr(closed.QPS() / r.ceiling)
		}
		if len(m.closed) > 1 {
			for _, a := range m.closed {
				s.QPSRounds = append(s.QPSRounds, report.Spread{Round: a.round, Value: a.result.QPS()})
			}
		}
	}
	read := closed // what a reader is told of status and errors
	if open != nil {
		requests += open.Requests
		read = open
		s.LatencyMS, s.ServiceLatencyMS = latency(open.Corrected), latency(open.Service)
		s.Percentiles = curve(open.Corrected)
	}
	s.Requests = &requests
	if read != nil {
		s.ErrorRate = ptr(read.ErrorRate())
		s.Status, s.Errors = statuses(read.Status), read.Errors
		s.Consumers, s.Mix = outcomes(read.ByConsumer), outcomes(read.ByRequest)
	}
	all := append(append([]*attacked{}, m.closed...), m.open...)
	r.resources(&s, m, all)
	s.Cache, s.Limits = cacheOf(all), limitsOf(m.stage, all)
	s.Postgres = postgresOf(m, all)
	s.Availability = availabilityOf(m.open)
	s.SLO = sloOf(m, open)
	s.Published = publishedOf(m)
	s.Countries = r.countries(m)
	for _, a := range append(all, m.direct...) {
		one := r.attackOf(&s, a)
		if a.label == "" { // the table by country has the others
			s.Attacks = append(s.Attacks, one)
		}
	}
	r.judge(&s, m)
	s.Bottleneck = r.bottleneck(m, closed)
	r.manifestStage(m)
	r.result.Stages = append(r.result.Stages, s)
	if !r.Chaos { // an experiment has its own account of them
		r.faults(m)
	}
}

// standIns are the programs of ours that stood in for servers which this
// machine lacks.
func (r *run) standIns() []string {
	out := []string{}
	for _, key := range slices.Sorted(maps.Keys(r.result.Manifest.Runtime)) {
		if strings.HasPrefix(key, "standin_") {
			out = append(out, r.result.Manifest.Runtime[key])
		}
	}
	return out
}

// merge joins an attack's rounds by histogram; nil without rounds.
func merge(rounds []*attacked) *load.Result {
	if len(rounds) == 0 {
		return nil
	}
	results := make([]*load.Result, len(rounds))
	for i, a := range rounds {
		results[i] = a.result
	}
	joined, err := load.Merge(results)
	if err != nil {
		return results[0] // rounds run one after another: they cannot overlap
	}
	return joined
}

func loadOf(m *measured, closed, open *load.Result) report.Load {
	l := report.Load{Rounds: m.stage.Rounds}
	switch {
	case closed != nil && open != nil:
		l.Model = report.Both
	case open != nil:
		l.Model = report.Open
	default:
		l.Model = report.Closed
	}
	if closed != nil {
		l.Connections = ptr(closed.Attack.Connections)
		l.DurationS = closed.Attack.Duration.Seconds()
	}
	if open != nil {
		if closed != nil {
			l.ClosedDurationS = ptr(l.DurationS)
		}
		l.DurationS = open.Attack.Duration.Seconds()
		l.OfferedQPS = ptr(open.Attack.Rate)
	}
	return l
}

func ceiling(a load.Attack, res *load.Result) *report.Ceiling {
	return &report.Ceiling{QPS: res.QPS(), Connections: ptr(a.Connections), DurationS: ptr(a.Duration.Seconds())}
}

func latency(h measure.Histogram) *report.Latency {
	p := h.Percentiles()
	if p.Samples == 0 {
		return nil
	}
	return &report.Latency{Samples: ptr(p.Samples), P50: p.P50, P90: p.P90, P95: p.P95, P99: p.P99, P999: p.P999, Max: p.Max, Mean: p.Mean}
}

func curve(h measure.Histogram) []report.Percentile {
	var out []report.Percentile
	for _, p := range h.Curve() {
		out = append(out, report.Percentile{Percentile: p.Percentile, MS: p.MS})
	}
	return out
}

func statuses(m map[int]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(m))
	for k, n := range m {
		out[fmt.Sprint(k)] = n
	}
	return out
}

func outcomes(m map[string]load.Counts) map[string]report.Outcomes {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]report.Outcomes, len(m))
	for k, c := range m {
		out[k] = report.Outcomes(c)
	}
	return out
}

// attackOf is one attack in the report, its histograms kept beside it.
func (r *run) attackOf(s *report.Stage, a *attacked) report.Attack {
	res := a.result
	out := report.Attack{
		Model: res.Attack.Model, Round: a.round, BeganAt: res.Began, WarmupS: res.Attack.Warmup.Seconds(), DurationS: res.Window().Seconds(),
		Outcomes: report.Outcomes(res.Counts), QPS: ptr(res.QPS()), ErrorRate: ptr(res.ErrorRate()),
		ServiceLatencyMS: latency(res.Service), ErrorLatencyMS: latency(res.ErrorLatency),
		Status: statuses(res.Status), Errors: res.Errors, CacheStatus: res.CacheStatus, Nodes: res.Nodes,
	}
	if res.Attack.Model == load.Open {
		out.OfferedQPS = ptr(res.Attack.Rate)
		out.LatencyMS, out.LagMS, out.Percentiles = latency(res.Corrected), latency(res.Lag), curve(res.Corrected)
	} else {
		out.Connections = ptr(res.Attack.Connections)
	}
	for _, sec := range res.Series {
		one := report.Second{Offset: sec.Offset, Requests: sec.Requests, Successes: sec.Successes, Limited: sec.Limited, Failed: sec.Failed, Hits: ptr(sec.Hits)}
		if sec.P50 > 0 {
			one.P50MS, one.P99MS = ptr(inMS(sec.P50)), ptr(inMS(sec.P99))
		}
		out.Series = append(out.Series, one)
	}
	for _, e := range a.events {
		out.Marks = append(out.Marks, marks(res.Began, e)...)
	}
	for kind, h := range map[string]measure.Histogram{"corrected": res.Corrected, "service": res.Service, "errors": res.ErrorLatency} {
		if h.Count() == 0 {
			continue
		}
		if b, err := json.Marshal(h); err == nil {
			r.result.Histograms[fmt.Sprintf("%s-%s-%d%s-%s.json", s.Name, res.Attack.Model, a.round, dashed(a.label), kind)] = b
		}
	}
	return out
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// resources are CPU a request by role, peak memory and utilisation by node.
func (r *run) resources(s *report.Stage, m *measured, all []*attacked) {
	cpu, requests := map[string]float64{}, map[string]float64{} // by role
	s.CPUPerRequestUS, s.MemoryPeakMiB = map[string]float64{}, map[string]float64{}
	for _, a := range all {
		used := spent(a.readings)
		for role, seconds := range cpuByRole(used) {
			cpu[role] += seconds
			requests[role] += float64(a.counted.Requests)
		}
		for name, u := range used {
			s.MemoryPeakMiB[name] = max(s.MemoryPeakMiB[name], float64(u.MemoryPeakBytes)/(1<<20))
		}
	}
	for role, seconds := range cpu {
		if requests[role] > 0 {
			s.CPUPerRequestUS[role] = seconds / requests[role] * 1e6
		}
	}
	if len(m.closed) > 0 {
		s.Utilisation = map[string]float64{}
		for _, n := range r.nodeLoads(m, m.closed[len(m.closed)-1]) {
			if n.Utilisation != nil {
				s.Utilisation[n.Name] = *n.Utilisation
			}
		}
	}
}

// roleOf is the role of a node by its name.
func roleOf(name string) string {
	role, _, _ := strings.Cut(name, "-")
	return role
}
