// Package assess turns what was measured of a stage into the report's figures: it merges rounds, counts, makes the validity checks, finds
// the bottleneck, and reads availability from probes. It needs no lab.
package assess

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// Measurement is what was measured of one stage.
type Measurement struct {
	Stage      *scenario.Stage
	Conditions Conditions
	Closed     []*Recording // by round
	Open       []*Recording // by round
	Direct     []*Recording // the countries' direct ways of a stage with an edge; Open then holds those over the edge
	Empty      bool         // database and Redis were seen to be empty before
	Warm       string       // what is warm since then by design; may be empty
	Accounts   readings.Accounts
	// OpenCapacity is the rate of an open loop that the lab is estimated to carry, in requests per second; 0 if it was not looked for.
	OpenCapacity float64
	Traces       *Traces // nil: the stage has no collector of traces
	// Experiment is a stage that is broken while it is measured: only availability is judged.
	Experiment bool
}

// Conditions are what assessing needs to know about the lab and its generator.
type Conditions struct {
	CeilingQPS float64                      // of the null server, in requests per second; 0 is unknown
	Settings   map[string]map[string]string // of the nodes, by name
	StandIns   []string                     // which of our programs stood in for servers that this machine lacks
	HostMemory uint64                       // bytes; 0 is unknown
	Limited    bool                         // nodes are limited to the CPU and memory that the stage states
}

// Result is the stage in the report, and its histograms by file name. The lab need not exist any more.
func (m *Measurement) Result() (result.Stage, map[string][]byte) {
	s := result.Stage{
		Name: m.Stage.Name, Changes: m.Stage.Changes, Replicas: m.Stage.Topology.Replicas,
		Valid: true, InvalidReasons: []string{}, Warnings: slices.Clone(m.Conditions.StandIns),
	}
	closed, open := merge(m.Closed), merge(m.Open)
	s.Load = loadOf(m, closed, open)
	var requests uint64
	if closed != nil {
		requests += closed.Requests
		m.throughput(&s, closed)
		s.ClosedLatencyMS, s.ClosedErrorRate = Latency(closed.Service), new(closed.ErrorRate())
	}
	told := closed // status and errors are those of the open attack if there is one
	if open != nil {
		requests += open.Requests
		told = open
		s.LatencyMS, s.ServiceLatencyMS = Latency(open.Corrected), Latency(open.Service)
		s.Percentiles = Curve(open.Corrected)
	}
	s.Requests = &requests
	if told != nil {
		s.ErrorRate = new(told.ErrorRate())
		s.Status, s.Errors = Statuses(told.Status), told.Errors
		s.MixLatencyMS = Latencies(told.LatencyByRequest)
		s.Consumers, s.Mix = Outcomes(told.ByConsumer), Outcomes(told.ByRequest)
	}
	all := slices.Concat(m.Closed, m.Open)
	m.resources(&s, all)
	s.Cache, s.Limits = cacheOf(all), limitsOf(m.Stage, all)
	s.Postgres = postgresOf(all)
	s.Availability = availabilityOf(m.Open)
	s.Published = publishedOf(m)
	s.Countries = m.countries()
	s.Soak = soakOf(m.Stage, m.Open)
	s.Traces = tracesOf(m)
	histograms := map[string][]byte{}
	for _, a := range slices.Concat(all, m.Direct) {
		one := attackOf(m, &s, a, histograms)
		s.Warnings = append(s.Warnings, repeats(a)...)
		if a.Label == "" { // the table by country has the others
			s.Attacks = append(s.Attacks, one)
		}
	}
	s.SLO = m.judgeObjectives(&s, open)
	m.judge(&s)
	m.judgeTraces(&s)
	s.Bottleneck = m.bottleneck(closed)
	return s, histograms
}

// throughput is the closed-loop rate, and that of each round.
func (m *Measurement) throughput(s *result.Stage, closed *load.Result) {
	qps := closed.QPS()
	s.QPS = &qps
	if m.Conditions.CeilingQPS > 0 {
		share := qps / m.Conditions.CeilingQPS
		s.QPSOfCeiling = &share
	}
	if len(m.Closed) > 1 {
		for _, a := range m.Closed {
			s.QPSRounds = append(s.QPSRounds, result.Spread{Round: a.Round, Value: a.Result.QPS()})
		}
	}
}

// merge joins an attack's rounds by histogram; nil without rounds.
func merge(rounds []*Recording) *load.Result {
	if len(rounds) == 0 {
		return nil
	}
	results := make([]*load.Result, len(rounds))
	for i, a := range rounds {
		results[i] = a.Result
	}
	joined, err := load.Merge(results)
	if err != nil {
		return results[0] // rounds run one after another and cannot overlap
	}
	return joined
}

func loadOf(m *Measurement, closed, open *load.Result) result.Load {
	l := result.Load{Rounds: m.Stage.Rounds}
	if n := m.Stage.Topology.Workers; n > 1 {
		l.Workers = &n
	}
	switch {
	case closed != nil && open != nil:
		l.Model = result.Both
	case open != nil:
		l.Model = result.Open
	default:
		l.Model = result.Closed
	}
	if closed != nil {
		l.Connections = new(closed.Attack.Connections)
		l.DurationS = closed.Attack.Duration.Seconds()
	}
	if open != nil {
		if closed != nil {
			l.ClosedDurationS = new(l.DurationS)
		}
		l.DurationS = open.Attack.Duration.Seconds()
		l.OfferedQPS = new(open.Attack.MeanRate())
		if m.OpenCapacity > 0 {
			l.OpenCapacityQPS = new(m.OpenCapacity)
		}
	}
	return l
}

// Latency is a histogram in the report; nil if it is empty.
func Latency(h measure.Histogram) *result.Latency {
	p := h.Percentiles()
	if p.Samples == 0 {
		return nil
	}
	return &result.Latency{Samples: new(p.Samples), P50: p.P50, P90: p.P90, P95: p.P95, P99: p.P99, P999: p.P999, Max: p.Max, Mean: p.Mean}
}

// Latencies are histograms by request in the report.
func Latencies(of map[string]measure.Histogram) map[string]result.Latency {
	out := map[string]result.Latency{}
	for name, h := range of {
		if l := Latency(h); l != nil {
			out[name] = *l
		}
	}
	return out
}

// Curve is a histogram's percentile curve in the report.
func Curve(h measure.Histogram) []result.Percentile {
	var out []result.Percentile
	for _, p := range h.Curve() {
		out = append(out, result.Percentile{Percentile: p.Percentile, MS: p.MS})
	}
	return out
}

// Statuses are answers by status code in the report.
func Statuses(m map[int]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(m))
	for k, n := range m {
		out[fmt.Sprint(k)] = n
	}
	return out
}

// Outcomes are counts by name in the report.
func Outcomes(m map[string]load.Counts) map[string]result.Outcomes {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]result.Outcomes, len(m))
	for k, c := range m {
		out[k] = result.Outcomes(c)
	}
	return out
}

// InMS is a duration in milliseconds.
func InMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// resources are CPU time per request by role, peak memory and utilisation by node.
func (m *Measurement) resources(s *result.Stage, all []*Recording) {
	cpu, requests := map[string]float64{}, map[string]float64{} // by role
	s.CPUPerRequestUS, s.MemoryPeakMiB = map[string]float64{}, map[string]float64{}
	for _, a := range all {
		used := readings.Spent(a.Readings)
		for role, seconds := range readings.CPUByRole(used) {
			cpu[role] += seconds
			requests[role] += float64(a.Counted.Requests)
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
	if len(m.Closed) > 0 {
		s.Utilisation = map[string]float64{}
		for _, n := range m.nodeLoads(m.Closed[len(m.Closed)-1]) {
			if n.Utilisation != nil {
				s.Utilisation[n.Name] = *n.Utilisation
			}
		}
	}
}
