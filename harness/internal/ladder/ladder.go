// Package ladder replays the stages of a scenario one after another: each is set up in the lab, attacked in rounds (closed loop for
// capacity, open loop for latency, probes and faults beside it), checked, and reported.
package ladder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
)

// Options say what to replay.
type Options struct {
	session.Config
	File   string   // the scenario
	Stages []string // names; empty or scenario.All: every stage
}

// Run replays the stages. The lab is always removed. A report is written if at least one stage was measured.
func Run(ctx context.Context, o Options) (*session.Outcome, error) {
	plan, err := stage.Load(o.File, o.Profile, o.Stages...)
	if err == nil {
		err = plan.Ask(o.Config)
	}
	if err != nil {
		return nil, err
	}
	first := &plan.Stages[0]
	return session.Run(ctx, o.Config, session.Plan{
		Name: plan.Name, Topology: stage.Topology(first), Cut: stage.Cut(plan.Stages), Drain: stage.Drains(plan.Stages),
		Seed:               first.Seed,
		CeilingConnections: max(first.Load.Closed.Connections, 1),
	}, session.Program{Measure: func(ctx context.Context, s *session.Session) error {
		s.Step("stages: %s", strings.Join(plan.Names(), ", "))
		for i := range plan.Stages {
			l := &rung{session: s, stage: &plan.Stages[i], fresh: i == 0}
			if err := l.measure(ctx); err != nil {
				return fmt.Errorf("stage %s: %w", l.stage.Name, err)
			}
		}
		return nil
	}})
}

// rung is one stage of the ladder.
type rung struct {
	session *session.Session
	stage   *scenario.Stage
	fresh   bool // the lab is as the stage wants it, and empty
	found   *assess.Measurement
	repeats int // attacks that the machine spoiled, and that were made again
}

// drainFor is how long the last requests of a round may take to be counted.
const drainFor = 300 * time.Millisecond

// measure sets the stage up and attacks it, round by round, and reports it.
func (l *rung) measure(ctx context.Context) error {
	s := l.session
	defer s.Stage(l.stage.Name)()
	l.found = &assess.Measurement{Stage: l.stage}
	for round := 1; round <= l.stage.Rounds; round++ {
		empty, err := stage.SetUp(ctx, s, l.stage, l.fresh && round == 1)
		if err != nil {
			return err
		}
		l.found.Empty = empty && (round == 1 || l.found.Empty)
		if round == 1 {
			if err := l.beginTraces(ctx); err != nil {
				return err
			}
		}
		before := readings.Read(ctx, s.Lab)
		if err := l.round(ctx, round); err != nil {
			return err
		}
		select { // what is in flight ends
		case <-ctx.Done():
		case <-time.After(drainFor):
		}
		after := readings.Read(ctx, s.Lab)
		if len(l.stage.Schedule()) == 0 {
			l.found.Accounts.Add(before, after)
		}
		if err := l.endTraces(ctx, before, after); err != nil {
			return err
		}
	}
	stage.Report(s, l.found)
	s.Result.Faults = append(s.Result.Faults, l.found.Faults()...)
	return nil
}

// round attacks the stage once: closed loop for capacity, then open loop at a share of what it carries of one.
func (l *rung) round(ctx context.Context, round int) error {
	if len(l.stage.Edge.Countries) > 0 {
		return l.edgeRound(ctx, round)
	}
	rate := l.stage.Load.Open.Rate
	if c := l.stage.Load.Closed; c.Connections > 0 && c.Duration > 0 {
		got, err := l.steadyAttack(ctx, stage.Workload(l.session, l.stage, load.Closed, round), nil)
		if err != nil {
			return err
		}
		got.Round = round
		l.found.Closed = append(l.found.Closed, got)
		if rate == 0 {
			if rate, err = l.findRate(ctx, got.Result.QPS()); err != nil {
				return err
			}
		}
	}
	if l.stage.Load.Open.Duration <= 0 {
		return nil
	}
	if rate < 1 {
		return errors.New("the closed-loop attack had no success, so there is no rate for the open-loop one")
	}
	a := stage.Workload(l.session, l.stage, load.Open, round)
	a.Rate = rate
	stage.Shape(&a, l.stage)
	got, err := l.steadyAttack(ctx, a, l.stage.Faults)
	if err != nil {
		return err
	}
	got.Round = round
	l.found.Open = append(l.found.Open, got)
	return nil
}

// findRate is the open loop's rate: a share of what the lab carries of an open loop, which the first round finds out.
func (l *rung) findRate(ctx context.Context, closed float64) (float64, error) {
	if l.stage.Load.Open.Duration <= 0 {
		return 0, nil
	}
	if l.found.OpenCapacity == 0 {
		carried, err := stage.OpenCapacity(ctx, l.session, l.stage, closed)
		if err != nil {
			return 0, err
		}
		l.found.OpenCapacity = carried
	}
	return l.offer(l.found.OpenCapacity), nil
}

// offer is a share of what the lab carries, at most the scenario's maximum.
func (l *rung) offer(carried float64) float64 {
	o := l.stage.Load.Open
	rate := o.Share * carried
	if o.MaxRate > 0 && rate > o.MaxRate {
		l.session.Step("%s: %.0f%% of that is %.0f requests/s: offering %.0f, the scenario's max_rate",
			l.stage.Name, o.Share*100, rate, o.MaxRate)
		return o.MaxRate
	}
	return rate
}

// steadyAttack repeats an attack that was not steady once, right after the first, which was its warm-up; the checks flag what is not flat
// then. An attack with faults is not meant to be flat.
func (l *rung) steadyAttack(ctx context.Context, a load.Attack, faults []scenario.Fault) (*assess.Recording, error) {
	first, err := l.unspoiled(ctx, a, faults)
	if err != nil || len(faults) > 0 || first.LostAWorker() || first.Steady() {
		return first, err
	}
	l.session.Step("%s %s: not steady; measuring once more", l.stage.Name, a.Model)
	a.ID += "-again"
	again, err := l.unspoiled(ctx, a, faults)
	if err != nil {
		return nil, err
	}
	again.Extended = true
	return again, nil
}

// mostRepeats bounds the attacks of a stage that are made again because the machine spoiled them.
const mostRepeats = 3

// unspoiled makes an attack again that the machine spoiled: a stall costs the attack, not the run. What spoils an attack says
// assess.Recording.Spoiled, which does not look at its figures.
func (l *rung) unspoiled(ctx context.Context, a load.Attack, faults []scenario.Fault) (*assess.Recording, error) {
	var spoilt []string
	id := a.ID
	for {
		got, err := l.attack(ctx, a, faults)
		if err != nil {
			return nil, err
		}
		why := got.Spoiled()
		if got.Spoilt = spoilt; why == "" || got.LostAWorker() {
			return got, nil
		}
		if l.repeats == mostRepeats {
			l.session.Step("%s %s: %s; kept all the same: %d attacks of this stage were repeated already", l.stage.Name, a.Model, why, mostRepeats)
			return got, nil
		}
		l.repeats++
		l.session.Step("%s %s: %s; measuring it again (%d of at most %d)", l.stage.Name, a.Model, why, l.repeats, mostRepeats)
		spoilt = append(spoilt, why)
		a.ID = fmt.Sprintf("%s-repeat-%d", id, l.repeats)
	}
}

// attack carries out one attack, with probes beside an open loop, and with the faults.
func (l *rung) attack(ctx context.Context, a load.Attack, faults []scenario.Fault) (*assess.Recording, error) {
	var tasks []session.Task
	var probes *load.Result
	if a.Model == load.Open && l.stage.Load.Probe.Rate > 0 {
		tasks = append(tasks, func(ctx context.Context) (err error) {
			probes, err = l.session.Workers.Run(ctx, probeOf(l.stage, a), func(load.Progress) {})
			return err
		})
	}
	var mu sync.Mutex // guards events
	var events []fault.Event
	for _, f := range faults {
		tasks = append(tasks, func(ctx context.Context) error {
			one, err := fault.Make(stage.Fault(f, f.Target), fault.NewLab(l.session.Lab))
			if err != nil {
				return err
			}
			e, err := fault.Run(ctx, one, fault.Plan{At: f.At, RecoverAfter: f.RecoverAfter, OnStep: l.session.Fault})
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
			return err
		})
	}
	got, err := l.session.Attack(ctx, l.stage.Name, a, tasks...)
	if err != nil {
		return nil, err
	}
	got.Probes, got.Events = probes, events
	return got, l.tell(ctx, probes)
}

// probeOf sends idempotent requests that must succeed, at a low rate, beside the load and for as long.
func probeOf(s *scenario.Stage, beside load.Attack) load.Attack {
	p := beside
	p.ID += "-probe"
	p.Model, p.Rate = load.Probes, s.Load.Probe.Rate
	p.Timeout = s.Load.Probe.Timeout
	p.Connections, p.Warmup = 0, 0
	p.Shape, p.Arrivals = nil, load.Even
	p.Trace = s.Topology.Tracing.On
	p.Requests = slices.DeleteFunc(slices.Clone(beside.Requests), func(q load.Request) bool {
		return q.Method != http.MethodGet && q.Method != ""
	})
	return p
}
