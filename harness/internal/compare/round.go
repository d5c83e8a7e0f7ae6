package compare

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// rounds measures from one round to another, both included.
func (b *bench) rounds(ctx context.Context, from, to int) error {
	for n := from; n <= to; n++ {
		if err := b.round(ctx, n); err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
		b.session.Step("round %d of %d: %s", n, to, b.roundLine(n))
	}
	return nil
}

// round measures every workload on every arm, whose processes are new.
func (b *bench) round(ctx context.Context, n int) error {
	defer b.session.Stage(fmt.Sprintf("round %d", n))()
	if err := b.renew(ctx); err != nil {
		return err
	}
	for i := range b.stages {
		samples, err := b.measureArms(ctx, &b.stages[i], n)
		if err != nil {
			return fmt.Errorf("%s: %w", b.stages[i].Name, err)
		}
		b.record.Samples = append(b.record.Samples, samples...)
	}
	return nil
}

// turnFor is about how long an arm is attacked before the next one takes its turn:
// what the host does for seconds then affects all of them, and what it does for
// milliseconds affects few turns.
const turnFor = 250 * time.Millisecond

// armRound is one arm's part of a round under one workload.
type armRound struct {
	session.Turns
	place int // among the arms of the round's first turn, from 1
}

// measureArms is one round of a workload: every arm's open attack, in turns, and
// its closed one where the workload has one.
func (b *bench) measureArms(ctx context.Context, s *scenario.Stage, round int) ([]gate.Sample, error) {
	turns := max(int(s.Load.Open.Duration/turnFor), 1)
	seen := make([]armRound, len(b.arms))
	for turn := range turns {
		for place, arm := range stats.Order(b.arms, round+turn) {
			i := slices.Index(b.arms, arm)
			if turn == 0 {
				seen[i].place = place + 1
			}
			if err := b.takeTurn(ctx, s, round, i, s.Load.Open.Duration/time.Duration(turns), &seen[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", arm, err)
			}
		}
	}
	var out []gate.Sample
	for _, arm := range stats.Order(b.arms, round) {
		i := slices.Index(b.arms, arm)
		sample, err := b.sample(s, round, i, &seen[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arm, err)
		}
		if sample.QPS, err = b.closed(ctx, s, round, i); err != nil {
			return nil, fmt.Errorf("%s: %w", arm, err)
		}
		out = append(out, *sample)
	}
	return out, nil
}

// takeTurn attacks one arm, open-loop, for one turn.
func (b *bench) takeTurn(ctx context.Context, s *scenario.Stage, round, arm int, length time.Duration, to *armRound) error {
	node, err := b.arm(arm)
	if err != nil {
		return err
	}
	a := b.aim(s, load.Open, round, arm)
	a.Duration = length
	if err := to.Take(ctx, b.session.Workers, a, node.Usage); err != nil {
		return err
	}
	return pause(ctx)
}

// sample is what an arm's turns of a round say together.
func (b *bench) sample(s *scenario.Stage, round, arm int, seen *armRound) (*gate.Sample, error) {
	res, err := load.Merge(seen.Results)
	if err != nil {
		return nil, err
	}
	out := &gate.Sample{
		Workload: s.Name, Round: round, Arm: b.arms[arm], Place: seen.place, BeganAt: res.Began, OfferedQPS: res.Attack.Rate,
		P50MS: seen.quantile(0.5, res), P90MS: seen.quantile(0.9, res), P99MS: seen.quantile(0.99, res),
		Requests: res.Requests, Failed: res.Failed, Slower: gate.Slower(res.Corrected.Above),
		MemoryMiB: new(float64(seen.MemoryBytes) / (1 << 20)),
	}
	// The worker says what it wrote, the warm-up included: just what the CPU time
	// was spent on.
	if res.Sent > 0 && seen.CPUSeconds > 0 {
		out.CPUUS = new(seen.CPUSeconds / float64(res.Sent) * 1e6)
	}
	sum := b.totalOf(s, b.arms[arm])
	sum.add(res, seen.CPUSeconds, *out.MemoryMiB)
	f := b.facts(s, round, res, seen.Machine)
	// Every turn opens its connections, and not all of them while it warms up.
	f.ConnectionsOpened -= min(f.ConnectionsOpened, uint64(len(seen.Results)*res.Attack.Connections))
	for _, c := range measure.Run(f) {
		if c.Verdict == measure.Invalid && assess.OfGenerator(c.Name) {
			out.Excluded = append(out.Excluded, c.String())
			if c.Name != measure.SendLag {
				out.Pressed = append(out.Pressed, c.String())
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
func (b *bench) closed(ctx context.Context, s *scenario.Stage, round, arm int) (*float64, error) {
	if s.Load.Closed.Connections == 0 || s.Load.Closed.Duration <= 0 {
		return nil, nil
	}
	first := readings.ReadMachineOnly()
	res, err := b.session.Workers.Run(ctx, b.aim(s, load.Closed, round, arm), nil)
	if err != nil {
		return nil, err
	}
	last := readings.ReadMachineOnly()
	checks := measure.Run(b.facts(s, round, res, []readings.Reading{first, last}))
	return b.totalOf(s, b.arms[arm]).throughput(round, res, checks), pause(ctx)
}

// warmByDesign says what rounds find: emptying the cache in each would add more noise than it removes, and the order of arms alternates.
const warmByDesign = "empty before the first round, and warm from round to round by design"

// facts are what the checks need to know about an attack on an arm.
func (b *bench) facts(s *scenario.Stage, round int, res *load.Result, machine []readings.Reading) measure.Facts {
	m := &assess.Measurement{Stage: s, Conditions: b.session.Conditions(), Empty: b.empty, Warm: warmByDesign}
	return m.Facts(&assess.Recording{Result: res, Readings: machine, Round: round})
}

// pause lets garbage collection and closing connections of one arm end before
// the next one is measured.
func pause(ctx context.Context) error {
	return session.Rest(ctx, 50*time.Millisecond)
}

// quantile is the median of the turns' corrected latencies in ms; nil where all
// of them together are too few requests for that percentile.
func (r *armRound) quantile(q float64, all *load.Result) *float64 {
	if all.Corrected.Percentile(q) == nil {
		return nil
	}
	median, ok := r.Quantile(q)
	if !ok {
		return nil
	}
	return &median
}

// roundLine is a round in one line: the second arm's figures over the first's.
func (t *trial) roundLine(n int) string {
	other := t.arms[1]
	line := other + "/base"
	for _, w := range t.record.Workloads {
		var a, b *gate.Sample
		for i := range t.record.Samples {
			s := &t.record.Samples[i]
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
