package runner

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/stats"
)

// Files of a gate beside the report's.
const (
	FileGateSummary = "gate.md"
	FileGateJUnit   = "gate.junit.xml"
)

// conclude writes all that is known into the run's folder.
func (g *gating) conclude(d gate.Decision) (*GateOutcome, error) {
	for _, w := range g.record.Workloads {
		for _, arm := range g.arms {
			g.result.Stages = append(g.result.Stages, g.summed[w+"/"+arm].stageOf())
		}
	}
	g.manifestHost()
	g.result.Settle()
	d = g.refuse(d)
	if g.baseline != nil {
		g.record.Arms["baseline"] = g.options.Baseline
	}
	g.result.Comparison = comparison(g.record, d)
	dir, err := g.write()
	if err != nil {
		return nil, err
	}
	var summary, junit bytes.Buffer
	if err := gate.Markdown(&summary, g.record, d); err != nil {
		return nil, err
	}
	if err := gate.JUnit(&junit, d); err != nil {
		return nil, err
	}
	files := map[string][]byte{FileGateSummary: append(summary.Bytes(), g.profileSummary()...), FileGateJUnit: junit.Bytes()}
	maps.Copy(files, g.profiled)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return nil, fmt.Errorf("write report: %w", err)
		}
	}
	if err := g.record.Write(filepath.Join(dir, gate.FileRecord)); err != nil {
		return nil, err
	}
	return &GateOutcome{Result: g.result, Record: g.record, Decision: d, Dir: dir}, nil
}

// manifestArms says of what each arm's stages are made, while the lab is there.
func (g *gating) manifestArms() {
	for i := range g.stages {
		for _, arm := range g.arms {
			one := g.stages[i]
			one.Name = one.Name + "/" + arm // as the report has it
			g.manifestStage(&measured{stage: &one})
		}
	}
}

// refuse takes a verdict back where the figures behind it are not valid. A
// generator that was late is no reason: the pairs that it spoiled were left out
// of p99 already, and CPU a request survives it. Nor is a head that answers
// wrongly: that is what error_rate fails for.
func (g *gating) refuse(d gate.Decision) gate.Decision {
	for i := range g.result.Stages {
		s := &g.result.Stages[i]
		for _, c := range s.Checks {
			if c.Verdict != report.Invalid {
				continue
			}
			d.Notes = append(d.Notes, s.Name+" is not valid: "+c.String())
			head := strings.HasSuffix(s.Name, "/"+gate.Head)
			if !slices.Contains(ofLatency, c.Name) && (!head || d.Verdict == stats.Pass) {
				d.Verdict, d.Reason = stats.Inconclusive, fmt.Sprintf("no verdict: %s is not valid: %s", s.Name, c.String())
			}
		}
	}
	return d
}

// comparison is a decision in the report's words.
func comparison(r *gate.Record, d gate.Decision) *report.Comparison {
	c := &report.Comparison{
		Arms:    armsOf(r),
		Verdict: string(d.Verdict), Reason: d.Reason, Rounds: ptr(d.Rounds), Notes: d.Notes,
	}
	for _, e := range d.Metrics {
		m := report.ComparisonMetric{Name: e.Name, Verdict: string(e.Verdict), Advisory: e.Advisory, Margin: ptr(e.Margin)}
		if e.Pairs > 0 {
			m.Ratio, m.Low, m.High = e.Ratio, ptr(e.Low), ptr(e.High)
		}
		c.Metrics = append(c.Metrics, m)
	}
	return c
}

// armsOf says what was compared.
func armsOf(r *gate.Record) []string {
	if r.Arms[gate.Head] == "" {
		return []string{"baseline", r.Arms[gate.Base]}
	}
	return []string{"base: " + r.Arms[gate.Base], "head: " + r.Arms[gate.Head]}
}

// stageOf is one arm under one workload as a stage of the report.
func (s *armSum) stageOf() report.Stage {
	out := report.Stage{
		Name: s.stage.Name + "/" + s.arm, Changes: s.stage.Changes, Valid: true, Replicas: 1,
		InvalidReasons: []string{}, Warnings: []string{},
		Load:     report.Load{Model: report.Open, OfferedQPS: ptr(s.stage.Load.Open.Rate), DurationS: s.stage.Load.Open.Duration.Seconds(), Rounds: s.attacks},
		Requests: ptr(s.results.Requests), Status: statuses(s.status), Errors: s.errors,
		LatencyMS: latency(s.corrected), ServiceLatencyMS: latency(s.service), Percentiles: curve(s.corrected),
	}
	if s.results.Requests > 0 {
		out.ErrorRate = ptr(float64(s.results.Failed) / float64(s.results.Requests))
	}
	if s.requests > 0 {
		out.CPUPerRequestUS = map[string]float64{lab.RoleGateway: s.cpu / s.requests * 1e6}
	}
	if n := len(s.unused); n > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("closed: the throughput of %d of %d rounds is not used; %s", n, s.attacks, s.unused[0]))
	}
	out.MemoryPeakMiB = map[string]float64{lab.RoleGateway: s.memory}
	for _, name := range s.order {
		if name == measure.Errors {
			out.Checks = append(out.Checks, s.failures())
			continue
		}
		out.Checks = append(out.Checks, s.missed[name].check(s.attacks))
	}
	return out
}

// failures judges all rounds at once: a single one has too few requests for a
// budget of one in a thousand.
func (s *armSum) failures() report.Check {
	f := measure.Facts{Requests: s.results.Requests, Failed: s.results.Failed, ErrorBudget: budget(s.stage)}
	if s.stage.Origin.ChatConcurrency > 0 {
		f.Refused = s.errors[load.KindOrigin429]
	}
	all := measure.Run(f)
	i := slices.IndexFunc(all, func(c measure.Check) bool { return c.Name == measure.Errors })
	return checked(all[i], "open, all rounds")
}

// check is one check of all rounds. Single rounds may miss those of latency:
// theirs is left out, here and in the comparison. A quarter of them makes the arm
// invalid, as does any miss of another check; but a generator that was late now
// and then leaves nothing wrong behind, however often.
func (m *missedCheck) check(rounds int) report.Check {
	c, verdict := m.last, m.last.Verdict
	where := "open"
	switch {
	case len(m.invalid) > 0:
		c, verdict = m.worst, measure.Invalid
		where = fmt.Sprintf("open, %d of %d rounds, first round %d", len(m.invalid), rounds, m.invalid[0])
		if slices.Contains(ofLatency, c.Name) && (c.Name == measure.SendLag || 4*len(m.invalid) <= rounds) {
			verdict = measure.Warning
		}
	case len(m.warnings) > 0:
		c, verdict = m.worst, measure.Warning
		where = fmt.Sprintf("open, %d of %d rounds, first round %d", len(m.warnings), rounds, m.warnings[0])
	}
	c.Verdict = verdict
	return checked(c, where)
}
