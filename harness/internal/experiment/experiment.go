// Package experiment breaks a loaded lab on purpose and measures availability: probes at every entry point, the schedule's faults, and
// writes of configuration run beside the load; afterwards every write is looked for, and what was seen is compared with what the scenario
// expects.
package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Options say what to break.
type Options struct {
	session.Config
	File     string        // the scenario, whose stages are experiments
	Duration time.Duration // of the open attack; 0 is the scenario's
	Seed     *uint64       // nil is the scenario's
}

// ErrUnexpected says that an experiment is complete and did not show what its scenario expects.
var ErrUnexpected = errors.New("the experiment did not show what was expected")

// Run carries out a scenario's experiments. The lab is always removed. The error is session.ErrInvalid or ErrUnexpected if there is a
// report that says so.
func Run(ctx context.Context, o Options) (*session.Outcome, error) {
	plan, err := stage.Load(o.File, o.Profile)
	if err == nil {
		err = plan.Ask(o.Config)
	}
	if err != nil {
		return nil, err
	}
	for i := range plan.Stages {
		if err := adjust(&plan.Stages[i], o); err != nil {
			return nil, err
		}
	}
	first := &plan.Stages[0]
	out, err := session.Run(ctx, o.Config, session.Plan{
		Name: plan.Name, Topology: stage.Topology(first), Cut: stage.Cut(plan.Stages), Drain: stage.Drains(plan.Stages),
		Seed:               first.Seed,
		CeilingConnections: max(first.Load.Closed.Connections, 1),
	}, session.Program{Measure: func(ctx context.Context, s *session.Session) error {
		for i := range plan.Stages {
			x := newExperiment(s, &plan.Stages[i])
			if err := x.measure(ctx, i == 0); err != nil {
				return fmt.Errorf("experiment %s: %w", x.stage.Name, err)
			}
		}
		return nil
	}})
	if err == nil && !out.Result.Experiment.Passed {
		return out, ErrUnexpected
	}
	return out, err
}

// adjust puts the options over the scenario's own figures.
func adjust(s *scenario.Stage, o Options) error {
	if o.Duration > 0 && len(s.Load.Open.Shape) > 0 {
		return fmt.Errorf("duration: %s is not allowed: the shape of scenario %s is %s long", o.Duration, s.Name, s.Load.Open.Duration)
	}
	if o.Duration > 0 {
		s.Load.Open.Duration = o.Duration
	}
	if o.Seed != nil {
		s.Seed = *o.Seed
	}
	schedule := s.Schedule()
	if len(schedule) == 0 {
		return fmt.Errorf("scenario %s: there is no fault in it: want faults or random", s.Name)
	}
	for _, one := range schedule {
		if end := one.At + one.RecoverAfter; end >= s.Load.Open.Duration {
			return fmt.Errorf("duration: %s is too short for %s on %s, which ends after %s", s.Load.Open.Duration, one.Kind, one.Target, end)
		}
	}
	return nil
}

// experiment is one stage that is broken while it is loaded.
type experiment struct {
	session *session.Session
	stage   *scenario.Stage
	entries []*entry
	regions []*region // none: the lab is in one place
	writes  *writer
	// capacity is what the lab carries of an open loop, in requests per second; nil if it was not measured.
	capacity *float64
	cpu      *limitCost // nil: not compared
	commands int64      // that Redis had run when the load began

	roles map[string]*sync.Mutex // the nodes of a role are broken one at a time

	mu     sync.Mutex // guards what follows
	events []fault.Event
	errs   []error // of faults
}

func newExperiment(s *session.Session, st *scenario.Stage) *experiment {
	x := &experiment{session: s, stage: st, roles: map[string]*sync.Mutex{}}
	x.regions = regionsOf(st)
	for _, one := range st.Schedule() {
		x.roles[lab.RoleOf(one.Target)] = &sync.Mutex{}
	}
	return x
}

// measure finds out what the lab can do, loads it with a share of that, breaks it, and reports.
func (x *experiment) measure(ctx context.Context, fresh bool) error {
	defer x.session.Stage(x.stage.Name)()
	empty, err := stage.SetUp(ctx, x.session, x.stage, fresh)
	if err != nil {
		return err
	}
	m := &assess.Measurement{Stage: x.stage, Empty: empty, Experiment: true}
	rate := x.stage.Load.Open.Rate
	if rate == 0 {
		closed, err := x.session.Attack(ctx, x.stage.Name, stage.Workload(x.session, x.stage, load.Closed, 1))
		if err != nil {
			return err
		}
		closed.Round = 1
		qps, err := stage.OpenCapacity(ctx, x.session, x.stage, closed.Result.QPS())
		if err != nil {
			return err
		}
		m.Closed = append(m.Closed, closed)
		x.capacity, m.OpenCapacity = &qps, qps
		rate = x.stage.Load.Open.Share * qps
	}
	if rate < 1 {
		return errors.New("the closed-loop attack had no success, so there is no rate for the open-loop one")
	}
	x.entries = x.entryPoints()
	if err := x.compareLimited(ctx); err != nil {
		return err
	}
	got, err := x.attack(ctx, rate)
	if err != nil {
		return err
	}
	m.Open = append(m.Open, got)
	stage.Report(x.session, m)
	out := x.begin(got)
	if x.writes != nil {
		if err := x.writes.verify(ctx); err != nil {
			return err
		}
	}
	if out.Tokens, err = x.tokenFigures(ctx, got); err != nil {
		return err
	}
	out.Limit = x.limitFigures(ctx, got)
	x.report(out, got)
	return nil
}

// attack is the open-loop load, with probes, faults and writes beside it. It returns when every fault is undone.
func (x *experiment) attack(ctx context.Context, rate float64) (*assess.Recording, error) {
	a := stage.Workload(x.session, x.stage, load.Open, 1)
	a.Rate = rate
	a.KeepRaw = x.stage.Expect.Limit.Permits > 0
	stage.Shape(&a, x.stage)
	if x.stage.Topology.Balancers > 1 && len(x.regions) == 0 {
		a.Standby = x.session.URL(topology.NameOf(topology.RoleBalancer, 2), topology.PortBalancer)
	}
	tasks := x.regionLoads(a)
	if a.KeepRaw {
		tasks = append(tasks, x.watchCommands)
	}
	for _, e := range x.entries {
		tasks = append(tasks, func(ctx context.Context) error {
			if err := x.probe(ctx, a, e); err != nil {
				return fmt.Errorf("probe %s: %w", e.name, err)
			}
			return nil
		})
	}
	for _, one := range x.stage.Schedule() {
		tasks = append(tasks, func(ctx context.Context) error {
			x.inject(ctx, one)
			return nil // a fault that failed makes the run invalid, and the load continues
		})
	}
	if x.stage.Writes.Rate > 0 {
		x.writes = newWriter(x.session.Lab, x.stage.Writes.Rate, x.regions)
		tasks = append(tasks, func(ctx context.Context) error {
			x.writes.write(ctx, a.Duration)
			return nil
		})
	}
	got, err := x.session.Attack(ctx, x.stage.Name, a, tasks...)
	if err != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		return nil, errors.Join(err, errors.Join(x.errs...))
	}
	got.Round, got.Events = 1, x.events
	if len(x.regions) > 0 {
		x.regions[0].load = got.Result
	}
	for _, e := range x.entries {
		if e.name == topology.RoleBalancer && e.method == http.MethodGet {
			got.Probes = e.result
		}
	}
	return got, nil
}

// hold waits until no node is broken of the role that an injection breaks, or of any role if it breaks a whole machine, and keeps others
// from breaking one. It returns what ends that.
func (x *experiment) hold(one scenario.Injection) (release func()) {
	roles := []string{lab.RoleOf(one.Target)}
	if one.Kind == fault.KindDrain {
		roles = slices.Sorted(maps.Keys(x.roles))
	}
	for _, role := range roles {
		x.roles[role].Lock()
	}
	return func() {
		for _, role := range roles {
			x.roles[role].Unlock()
		}
	}
}

// inject carries out one fault when it is due, and not while another node of its role is broken.
func (x *experiment) inject(ctx context.Context, one scenario.Injection) {
	timer := time.NewTimer(one.At)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	defer x.hold(one)()
	if ctx.Err() != nil {
		return
	}
	var event fault.Event
	spec := stage.Fault(one.Fault, one.Target)
	spec.Nodes = stage.Topology(x.stage).RegionNodes(one.Target)
	f, err := fault.Make(spec, fault.NewLab(x.session.Lab))
	if err == nil {
		event, err = fault.Run(ctx, f, fault.Plan{RecoverAfter: one.RecoverAfter, RecoverIn: time.Minute, OnStep: x.session.Fault})
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if f != nil {
		x.events = append(x.events, event)
	}
	if err != nil {
		x.errs = append(x.errs, err)
		if ctx.Err() == nil {
			x.session.Step("fault failed: %v", err)
		}
	}
}
