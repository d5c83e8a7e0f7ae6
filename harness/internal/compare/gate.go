// Package compare measures several builds of the gateway side by side in one lab, in turns: the arms of a gate. The decision itself is
// package gate's. gate.go follows a gate from its options to its files, round.go a round.
package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// GateOptions say what to compare. Config.Gateway is not used: both arms are built.
type GateOptions struct {
	session.Config
	File      string // the scenario, whose stages are workloads
	Base      string // git reference of the first arm
	Patch     string // a patch on Base's tree, which is the second arm; empty: the working tree is
	Baseline  string // a committed record to compare with instead of Base
	MaxRounds int    // after the one extension; 0: twice the scenario's rounds
	Margins   gate.Margins
	Profiles  bool // take CPU and heap profiles if the gate fails
	// Tracing is the share of its requests that the head alone traces, 0 to 1; nil: no arm has a plugin that the scenario does not name.
	Tracing *float64
}

// GateOutcome is what came of a gate.
type GateOutcome struct {
	Result   *result.Result
	Record   *gate.Record
	Decision gate.Decision
	Dir      string // of the report
}

// Files of a gate beside the report's.
const (
	FileGateSummary = "gate.md"
	FileGateJUnit   = "gate.junit.xml"
)

// trial is a gate, from its plan to its decision.
type trial struct {
	options  GateOptions
	stages   []scenario.Stage // the workloads
	builds   *builds
	record   *gate.Record
	arms     []string           // in the order of the lab's replicas
	baseline *gate.Record       // nil: Base was built
	totals   map[string]*armSum // by workload and arm
	profiles map[string][]byte  // file -> content
	decision *gate.Decision     // nil until all rounds are over
}

// bench is a trial while it has a lab.
type bench struct {
	*trial
	session *session.Session
	place   int  // attacks so far, for their identifiers
	empty   bool // database and Redis were seen to be empty before the first attack
}

// Gate builds both arms, measures them side by side and decides. The lab and what was built are always removed. The error is nil whatever
// the verdict.
func Gate(ctx context.Context, o GateOptions) (*GateOutcome, error) {
	t, err := newTrial(o)
	if err != nil {
		return nil, err
	}
	return t.run(ctx)
}

// newTrial reads the plan, and the baseline if there is one.
func newTrial(o GateOptions) (*trial, error) {
	if err := o.Margins.Validate(); err != nil {
		return nil, err
	}
	plan, err := stage.Load(o.File, o.Profile)
	if err == nil {
		err = plan.Ask(o.Config)
	}
	if err != nil {
		return nil, err
	}
	if err := checkTracing(o, plan.Stages); err != nil {
		return nil, err
	}
	t := &trial{
		options: o, stages: plan.Stages, arms: []string{gate.Base, gate.Head, gate.Again},
		totals: map[string]*armSum{}, profiles: map[string][]byte{},
	}
	if t.record, err = newRecord(o, plan.Stages); err != nil {
		return nil, err
	}
	if o.Baseline == "" {
		return t, nil
	}
	t.arms = []string{gate.Base, gate.Again}
	t.baseline, err = gate.Read(o.Baseline)
	return t, err
}

// newRecord is a record without rounds. It refuses a plan that could not decide anything.
func newRecord(o GateOptions, stages []scenario.Stage) (*gate.Record, error) {
	rounds := stages[0].Rounds
	most, looks := o.MaxRounds, 1
	if most == 0 {
		most = 2 * rounds
	}
	if most > rounds {
		looks = 2
	}
	if needed := stats.NeededPairs(gate.PerWorkload*len(stages)+gate.InAll, looks); rounds < needed {
		return nil, fmt.Errorf("rounds: %d is not allowed: want at least %d: fewer pairs cannot prove a regression", rounds, needed)
	}
	if most < rounds {
		return nil, fmt.Errorf("max-rounds: %d is not allowed: want at least the scenario's %d rounds", most, rounds)
	}
	r := &gate.Record{
		StartedAt: time.Now().UTC(), Arms: map[string]string{}, Machine: readings.Describe(), Margins: o.Margins,
		Rounds: rounds, MaxRounds: most,
	}
	for i := range stages {
		s := &stages[i]
		if s.Load.Open.Rate < 1 || s.Load.Open.Duration <= 0 {
			return nil, fmt.Errorf("stage %s: load.open: a gate needs a rate of its own and a duration: "+
				"a share of a build's capacity would load the arms differently", s.Name)
		}
		r.Workloads = append(r.Workloads, s.Name)
	}
	return r, nil
}

// run builds the arms, and measures and decides in a session.
func (t *trial) run(ctx context.Context) (*GateOutcome, error) {
	o := t.options
	if err := session.Check(o.Config); err != nil { // building takes minutes
		return nil, err
	}
	step := session.Steps(o.Observer)
	step("building the arms")
	var err error
	if t.builds, err = build(ctx, o); err != nil {
		return nil, err
	}
	defer t.builds.remove()
	if o.Tracing != nil {
		t.builds.said[gate.Head] += fmt.Sprintf(", tracing %.4g%% of its requests", 100**o.Tracing)
	}
	maps.Copy(t.record.Arms, t.builds.said)
	step("built %s (%.1f s)", strings.Join(t.builds.made(), " and "), t.builds.took.Seconds())
	first := &t.stages[0]
	out, err := session.Run(ctx, o.Config, session.Plan{
		Name: "gate", Topology: t.topology(1, nil), Binaries: t.builds.binaries(o.Harness), Seed: first.Seed,
		CeilingConnections: max(first.Load.Closed.Connections, 32),
	}, session.Program{
		Measure: func(ctx context.Context, s *session.Session) error {
			return (&bench{trial: t, session: s}).measure(ctx)
		},
		Complete: t.complete,
		Tell:     t.tell,
	})
	if out == nil {
		return nil, err
	}
	if err != nil && !errors.Is(err, session.ErrInvalid) { // the decision has taken that into account
		return nil, err
	}
	return &GateOutcome{Result: out.Result, Record: t.record, Decision: *t.decision, Dir: out.Dir}, nil
}

// measure prepares the arms, measures rounds, looks, and extends once if that may help.
func (b *bench) measure(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if err := b.rounds(ctx, 1, b.record.Rounds); err != nil {
		return err
	}
	d := b.decide(b.record.Rounds)
	if d.Verdict == stats.Inconclusive && b.record.MaxRounds > b.record.Rounds {
		b.session.Step("inconclusive after %d rounds (%s); extending to %d, once", b.record.Rounds, d.Reason, b.record.MaxRounds)
		if err := b.rounds(ctx, b.record.Rounds+1, b.record.MaxRounds); err != nil {
			return err
		}
		d = b.decide(b.record.MaxRounds)
	}
	if d.Verdict == stats.Fail && b.options.Profiles && b.baseline == nil {
		if err := b.profile(ctx, d); err != nil {
			b.session.Step("no profiles: %v", err)
		}
	}
	b.decision = &d
	return nil
}

// decide looks at the first rounds.
func (t *trial) decide(rounds int) gate.Decision {
	if t.baseline != nil {
		return gate.Against(t.baseline, t.record, rounds)
	}
	return gate.Decide(t.record, rounds)
}

// undecided is the decision of a gate that broke off: the figures of its whole rounds, and no verdict, because a gate may be stopped for
// what its rounds show. It is an error if there is no whole round.
func (t *trial) undecided() error {
	n := t.record.KeepWhole()
	if n == 0 {
		return errors.New("the gate broke off in its first round")
	}
	planned := t.record.Rounds
	if n >= planned {
		planned = t.record.MaxRounds
	}
	d := t.decide(n)
	d.Verdict, d.Reason = stats.Inconclusive, fmt.Sprintf("no verdict: the gate broke off after %d of %d rounds", n, planned)
	t.decision = &d
	return nil
}

// complete completes the result. Without a whole round there is nothing to report.
func (t *trial) complete(s *session.Session) error {
	if t.decision == nil {
		if err := t.undecided(); err != nil {
			return err
		}
	}
	for _, w := range t.record.Workloads {
		for _, arm := range t.arms {
			s.Result.Stages = append(s.Result.Stages, t.totals[w+"/"+arm].stageOf())
		}
	}
	s.Result.Settle()
	*t.decision = refuse(*t.decision, s.Result.Stages)
	if t.baseline != nil {
		t.record.Arms["baseline"] = t.options.Baseline
	}
	s.Result.Comparison = comparison(t.record, *t.decision)
	s.Verdict("%s", t.decision.Line())
	return nil
}

// refuse takes a verdict back where the figures behind it are not valid. A
// generator that was late is no reason: the pairs that it spoiled were left out
// of p99 already, and CPU per request is still sound. Nor is a head that answers
// wrongly: that is what error_rate fails for.
func refuse(d gate.Decision, stages []result.Stage) gate.Decision {
	for i := range stages {
		s := &stages[i]
		for _, c := range s.Checks {
			if c.Verdict != measure.Invalid {
				continue
			}
			d.Notes = append(d.Notes, s.Name+" is not valid: "+c.String())
			head := strings.HasSuffix(s.Name, "/"+gate.Head)
			if !assess.OfGenerator(c.Name) && (!head || d.Verdict == stats.Pass) {
				d.Verdict, d.Reason = stats.Inconclusive, fmt.Sprintf("no verdict: %s is not valid: %s", s.Name, c.String())
			}
		}
	}
	return d
}

// tell writes the gate's own files beside the report.
func (t *trial) tell(s *session.Session, dir string) error {
	var summary, junit bytes.Buffer
	if err := gate.Markdown(&summary, t.record, *t.decision); err != nil {
		return err
	}
	if err := gate.JUnit(&junit, *t.decision); err != nil {
		return err
	}
	summary.WriteString(objectiveSummary(s.Result))
	files := map[string][]byte{FileGateSummary: append(summary.Bytes(), t.profileSummary()...), FileGateJUnit: junit.Bytes()}
	maps.Copy(files, t.profiles)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // a report
			return err
		}
	}
	return t.record.Write(filepath.Join(dir, gate.FileRecord))
}

// objectiveSummary is the head's objectives as a table of Markdown; empty without them.
func objectiveSummary(r *result.Result) string {
	all := r.Objectives()
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n### Objectives of the head\n\n| workload | objective | verdict | observed |\n| --- | --- | --- | --- |\n")
	for _, o := range all {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", o.Stage, o.Objective.Objective, o.Verdict(), o.Saw())
	}
	return b.String()
}
