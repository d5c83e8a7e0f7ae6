package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/scenario"
	"gatelab/harness/internal/stats"
)

// headDatabase is the second arm's.
const headDatabase = lab.PostgresDatabase + "_head"

// createDatabase makes an empty database.
func createDatabase(ctx context.Context, pg lab.Node, name string) error {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	dsn := fmt.Sprintf("postgres://%s:%s@%s/postgres?sslmode=disable", lab.PostgresUser, lab.PostgresPassword, pg.HostAddr(lab.PortPostgres))
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// armSum is all that was seen of one arm under one workload.
type armSum struct {
	stage     *scenario.Stage
	arm       string
	results   load.Counts
	corrected measure.Histogram // of the rounds whose p99 is compared
	service   measure.Histogram // likewise
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

// ofLatency are the checks that say the generator could not keep up: CPU a
// request is still true then, latency is not.
var ofLatency = []string{"rate kept", "send lag", "workers", "generator's CPU", "generator's ceiling"}

// rounds measures from one round to another, both included.
func (g *gating) rounds(ctx context.Context, from, to int) error {
	for n := from; n <= to; n++ {
		if err := g.renew(ctx); err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
		for i := range g.stages {
			samples, err := g.measureArms(ctx, &g.stages[i], n)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", n, g.stages[i].Name, err)
			}
			g.record.Samples = append(g.record.Samples, samples...)
		}
		g.Console.Step("round %d of %d: %s", n, to, g.roundLine(n))
	}
	return nil
}

// roundLine is a round in one line: the second arm's figures over the first's.
func (g *gating) roundLine(n int) string {
	other := g.arms[1]
	line := other + "/base"
	for _, w := range g.record.Workloads {
		var a, b *gate.Sample
		for i := range g.record.Samples {
			s := &g.record.Samples[i]
			if s.Round != n || s.Workload != w {
				continue
			}
			switch s.Arm {
			case gate.Base:
				a = s
			case other:
				b = s
			}
		}
		line += fmt.Sprintf("; %s CPU %s, p50 %s, p90 %s", w, over(a.CPUUS, b.CPUUS), over(a.P50MS, b.P50MS), over(a.P90MS, b.P90MS))
		if len(a.Excluded)+len(b.Excluded) > 0 {
			line += " (p99 not used)"
		}
	}
	return line
}

func over(a, b *float64) string {
	if a == nil || b == nil || *a == 0 {
		return "n/a"
	}
	return fmt.Sprintf("%.2f", *b / *a)
}

// measureArms is one round of a workload: every arm's open attack, in turns, and
// its closed one where the workload has one.
func (g *gating) measureArms(ctx context.Context, s *scenario.Stage, round int) ([]gate.Sample, error) {
	turns := max(int(s.Load.Open.Duration/turnFor), 1)
	seen := make([]armRound, len(g.arms))
	for turn := range turns {
		for place, arm := range gate.Order(g.arms, round+turn) {
			i := slices.Index(g.arms, arm)
			if turn == 0 {
				seen[i].place = place + 1
			}
			if err := g.takeTurn(ctx, s, round, i, s.Load.Open.Duration/time.Duration(turns), &seen[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", arm, err)
			}
		}
	}
	var out []gate.Sample
	for _, arm := range gate.Order(g.arms, round) {
		i := slices.Index(g.arms, arm)
		sample, err := g.sample(s, round, i, &seen[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arm, err)
		}
		if sample.QPS, err = g.closed(ctx, s, round, i); err != nil {
			return nil, fmt.Errorf("%s: %w", arm, err)
		}
		out = append(out, *sample)
	}
	return out, nil
}

// quantile is the median of the turns' corrected latencies in ms; nil where all
// of them together are too few requests for that percentile.
func (r *armRound) quantile(q float64, all *load.Result) *float64 {
	if all.Corrected.Percentile(q) == nil {
		return nil
	}
	var of []float64
	for _, t := range r.turns {
		of = append(of, inMS(t.Corrected.Quantile(q)))
	}
	return ptr(stats.Median(of))
}

// sample is what an arm's turns of a round say together.
func (g *gating) sample(s *scenario.Stage, round, arm int, seen *armRound) (*gate.Sample, error) {
	res, err := load.Merge(seen.turns)
	if err != nil {
		return nil, err
	}
	out := &gate.Sample{
		Workload: s.Name, Round: round, Arm: g.arms[arm], Place: seen.place, BeganAt: res.Began, OfferedQPS: res.Attack.Rate,
		P50MS: seen.quantile(0.5, res), P90MS: seen.quantile(0.9, res), P99MS: seen.quantile(0.99, res), Requests: res.Requests, Failed: res.Failed,
		MemoryMiB: ptr(float64(seen.memory) / (1 << 20)),
	}
	// The worker says what it wrote, the warm-up included: just what the CPU time
	// was spent on.
	if res.Sent > 0 && seen.cpu > 0 {
		out.CPUUS = ptr(seen.cpu / float64(res.Sent) * 1e6)
	}
	sum := g.sumOf(s, g.arms[arm])
	sum.add(res, seen.cpu, *out.MemoryMiB)
	m := &measured{stage: s, reset: g.empty, warm: warmByDesign}
	f := g.facts(m, &attacked{round: round, result: res, readings: seen.readings})
	// Every turn opens its connections, and not all of them while it warms up.
	f.ConnectionsOpened -= min(f.ConnectionsOpened, uint64(len(seen.turns)*res.Attack.Connections))
	for _, c := range measure.Run(f) {
		if c.Verdict == measure.Invalid && slices.Contains(ofLatency, c.Name) {
			out.Excluded = append(out.Excluded, c.Reason())
			if c.Name != measure.SendLag {
				out.Pressed = append(out.Pressed, c.Reason())
			}
		}
		sum.note(round, c)
	}
	if len(out.Excluded) == 0 {
		sum.latencies(res)
	}
	return out, nil
}

// closed is the rate of an arm's closed attack; nil where the workload has none,
// or a check says that it is not the arm's.
func (g *gating) closed(ctx context.Context, s *scenario.Stage, round, arm int) (*float64, error) {
	if s.Load.Closed.Connections == 0 || s.Load.Closed.Duration <= 0 {
		return nil, nil
	}
	first := reading{at: time.Now(), cpu: readCPU(), pressure: readPressure()}
	res, err := g.worker.Run(ctx, g.aim(s, load.Closed, round, arm), nil)
	if err != nil {
		return nil, err
	}
	last := reading{at: time.Now(), cpu: readCPU(), pressure: readPressure()}
	m := &measured{stage: s, reset: g.empty, warm: warmByDesign}
	checks := measure.Run(g.facts(m, &attacked{round: round, result: res, readings: []reading{first, last}}))
	return g.sumOf(s, g.arms[arm]).throughput(round, res, checks), pause(ctx)
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

// pause lets garbage collection and closing connections of one arm end before
// the next one is measured.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

func (g *gating) sumOf(s *scenario.Stage, arm string) *armSum {
	key := s.Name + "/" + arm
	if g.summed[key] == nil {
		g.summed[key] = &armSum{stage: s, arm: arm, status: map[int]uint64{}, errors: map[string]uint64{}, missed: map[string]*missedCheck{}}
	}
	return g.summed[key]
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
	sum(s.errors, res.Errors)
	s.cpu += cpu
	s.requests += float64(res.Sent)
	s.memory = max(s.memory, memory)
}

// latencies adds a round's to those that are compared.
func (s *armSum) latencies(res *load.Result) {
	s.corrected.Merge(res.Corrected)
	s.service.Merge(res.Service)
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
