package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// armSum is everything that was measured of one arm under one workload.
type armSum struct {
	stage     *scenario.Stage
	arm       string
	judged    bool // held to the stage's objectives: the build that a verdict is about
	results   load.Counts
	corrected measure.Histogram            // of the rounds whose p99 is compared
	service   measure.Histogram            // likewise
	byRequest map[string]measure.Histogram // likewise, corrected, of requests that an objective names
	mix       map[string]load.Counts       // by request's name
	status    map[int]uint64
	errors    map[string]uint64
	cpu       float64 // seconds
	requests  float64 // that cpu served, warm-up included
	memory    float64 // MiB, peak
	attacks   int
	missed    map[string]*missedCheck // by check
	order     []string                // of checks
	unused    []string                // why a round's throughput is not, by round
}

// missedCheck is one check over all rounds of an arm.
type missedCheck struct {
	last     measure.Check
	worst    measure.Check
	invalid  []int // rounds
	warnings []int
}

func (t *trial) totalOf(s *scenario.Stage, arm string) *armSum {
	key := s.Name + "/" + arm
	if t.totals[key] == nil {
		t.totals[key] = &armSum{
			stage: s, arm: arm, judged: arm == t.judgedArm(), byRequest: map[string]measure.Histogram{}, mix: map[string]load.Counts{},
			status: map[int]uint64{}, errors: map[string]uint64{}, missed: map[string]*missedCheck{},
		}
	}
	return t.totals[key]
}

// judgedArm is the arm of the build that is to be accepted.
func (t *trial) judgedArm() string {
	if slices.Contains(t.arms, gate.Head) {
		return gate.Head
	}
	return gate.Base
}

func (s *armSum) add(res *load.Result, cpu, memory float64) {
	s.attacks++
	s.results.Requests += res.Requests
	s.results.Successes += res.Successes
	s.results.Limited += res.Limited
	s.results.Failed += res.Failed
	for k, n := range res.Status {
		s.status[k] += n
	}
	for k, n := range res.Errors {
		s.errors[k] += n
	}
	for k, c := range res.ByRequest {
		sum := s.mix[k]
		sum.Add(c)
		s.mix[k] = sum
	}
	s.cpu += cpu
	s.requests += float64(res.Sent)
	s.memory = max(s.memory, memory)
}

// latencies adds a round's to those that are compared.
func (s *armSum) latencies(res *load.Result) {
	s.corrected.Merge(res.Corrected)
	s.service.Merge(res.Service)
	for name, h := range res.LatencyByRequest {
		all := s.byRequest[name]
		all.Merge(h)
		s.byRequest[name] = all
	}
}

func (s *armSum) note(round int, c measure.Check) {
	m := s.missed[c.Name]
	if m == nil {
		m = &missedCheck{worst: c}
		s.missed[c.Name] = m
		s.order = append(s.order, c.Name)
	}
	m.last = c
	switch c.Verdict {
	case measure.Invalid:
		if len(m.invalid) == 0 {
			m.worst = c
		}
		m.invalid = append(m.invalid, round)
	case measure.Warning:
		if len(m.invalid)+len(m.warnings) == 0 {
			m.worst = c
		}
		m.warnings = append(m.warnings, round)
	}
}

// throughput is a closed attack's rate; nil where a check says that it is none
// of the arm's. It is advisory, so that a miss costs the round and not the arm.
func (s *armSum) throughput(round int, res *load.Result, checks []measure.Check) *float64 {
	if missed := measure.Reasons(checks, measure.Invalid); len(missed) > 0 {
		s.unused = append(s.unused, fmt.Sprintf("round %d: %s", round, strings.Join(missed, "; ")))
		return nil
	}
	if q := res.QPS(); q > 0 {
		return &q
	}
	return nil
}

// stageOf is one arm under one workload as a stage of the report.
func (s *armSum) stageOf() result.Stage {
	out := result.Stage{
		Name: s.stage.Name + "/" + s.arm, Changes: s.stage.Changes, Valid: true, Replicas: 1,
		InvalidReasons: []string{}, Warnings: []string{},
		Load: result.Load{
			Model: result.Open, OfferedQPS: new(s.stage.Load.Open.Rate),
			DurationS: s.stage.Load.Open.Duration.Seconds(), Rounds: s.attacks,
		},
		Requests: new(s.results.Requests), Status: assess.Statuses(s.status), Errors: s.errors,
		LatencyMS: assess.Latency(s.corrected), ServiceLatencyMS: assess.Latency(s.service),
		Percentiles: assess.Curve(s.corrected),
	}
	if s.results.Requests > 0 {
		out.ErrorRate = new(float64(s.results.Failed) / float64(s.results.Requests))
	}
	if s.requests > 0 {
		out.CPUPerRequestUS = map[string]float64{topology.RoleGateway: s.cpu / s.requests * 1e6}
	}
	if n := len(s.unused); n > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("closed: the throughput of %d of %d rounds is not used; %s", n, s.attacks, s.unused[0]))
	}
	if s.judged {
		out.Mix, out.MixLatencyMS = assess.Outcomes(s.mix), assess.Latencies(s.byRequest)
	}
	out.MemoryPeakMiB = map[string]float64{topology.RoleGateway: s.memory}
	for _, name := range s.order {
		if name == measure.Errors {
			out.Checks = append(out.Checks, s.failures())
			continue
		}
		out.Checks = append(out.Checks, s.missed[name].check(s.attacks))
	}
	if s.judged {
		out.SLO = out.Judge(s.stage.SLO)
	}
	return out
}

// failures judges all rounds at once: a single one has too few requests for a
// budget of one in a thousand.
func (s *armSum) failures() measure.Check {
	f := measure.Facts{Requests: s.results.Requests, Failed: s.results.Failed, ErrorBudget: assess.Budget(s.stage)}
	if s.stage.Origin.ChatConcurrency > 0 {
		f.Refused = s.errors[load.KindOrigin429]
	}
	all := measure.Run(f)
	i := slices.IndexFunc(all, func(c measure.Check) bool { return c.Name == measure.Errors })
	return assess.Checked(all[i], "open, all rounds")
}

// check is one check of all rounds. Single rounds may miss those of latency:
// theirs is left out, here and in the comparison. A quarter of them makes the arm
// invalid, as does any miss of another check; but a generator that was late now
// and then leaves nothing wrong behind, however often.
func (m *missedCheck) check(rounds int) measure.Check {
	c, verdict := m.last, m.last.Verdict
	where := "open"
	switch {
	case len(m.invalid) > 0:
		c, verdict = m.worst, measure.Invalid
		where = fmt.Sprintf("open, %d of %d rounds, first round %d", len(m.invalid), rounds, m.invalid[0])
		if assess.OfGenerator(c.Name) && (c.Name == measure.SendLag || 4*len(m.invalid) <= rounds) {
			verdict = measure.Warning
		}
	case len(m.warnings) > 0:
		c, verdict = m.worst, measure.Warning
		where = fmt.Sprintf("open, %d of %d rounds, first round %d", len(m.warnings), rounds, m.warnings[0])
	}
	c.Verdict = verdict
	return assess.Checked(c, where)
}

// comparison is a decision in the report's words.
func comparison(r *gate.Record, d gate.Decision) *result.Comparison {
	arms := []string{"base: " + r.Arms[gate.Base], "head: " + r.Arms[gate.Head]}
	if r.Arms[gate.Head] == "" {
		arms = []string{"baseline", r.Arms[gate.Base]}
	}
	c := &result.Comparison{
		Arms:    arms,
		Verdict: d.Verdict, Reason: d.Reason, Rounds: new(d.Rounds), Notes: d.Notes,
	}
	for _, e := range d.Metrics {
		m := result.ComparisonMetric{Name: e.Name, Verdict: e.Verdict, Advisory: e.Advisory, Margin: new(e.Margin)}
		if e.Pairs > 0 {
			m.Ratio = e.Ratio
			m.Low, m.High = new(e.Low), new(e.High)
		}
		c.Metrics = append(c.Metrics, m)
	}
	return c
}
