package runner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

// ErrUnexpected says that an experiment is complete, and that it did not show
// what its scenario expects.
var ErrUnexpected = errors.New("the experiment did not show what was expected")

// adjust puts the options over the scenario's own figures.
func (r *run) adjust() error {
	for i := range r.stages {
		s := &r.stages[i]
		if r.Duration > 0 {
			s.Load.Open.Duration = r.Duration
		}
		if r.Seed != nil {
			s.Seed = *r.Seed
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
	}
	return nil
}

func wantsSmallDisk(s *scenario.Stage) bool {
	full := func(f scenario.Fault) bool { return f.Kind == fault.KindDiskFull }
	return slices.ContainsFunc(s.Faults, full) || slices.ContainsFunc(s.Random.Faults, full)
}

// spec is a scenario's fault in the words of package fault.
func spec(f scenario.Fault, target string) fault.Spec {
	return fault.Spec{Kind: f.Kind, Target: target, Latency: f.Latency, Rate: f.Rate, Share: f.Share, CPUs: f.CPUs}
}

// faultLab is the run's lab as faults see it.
type faultLab struct{ r *run }

var _ fault.Lab = faultLab{}

func (l faultLab) Node(name string) (lab.Node, bool) { return l.r.lab.Node(name) }
func (l faultLab) Nodes(role string) []lab.Node      { return l.r.lab.Nodes(role) }

func (l faultLab) Ready(ctx context.Context, name string) error { return l.r.lab.Ready(ctx, name) }

// Renew removes the node and makes it again of the same spec.
func (l faultLab) Renew(ctx context.Context, name string) error {
	s, ok := l.r.lab.Spec(name)
	if !ok {
		return fmt.Errorf("renew %s: no such node", name)
	}
	_, err := l.r.lab.Replace(ctx, s)
	return err
}

// Settled asks every balancer until the replica itself has answered.
func (l faultLab) Settled(ctx context.Context, name string) error {
	return fault.Settled(ctx, l.Nodes(lab.RoleBalancer), name)
}

// entry is one way into the gateways, probed by itself.
type entry struct {
	name   string // the node
	method string
	rate   float64
	direct bool // straight at a gateway: for information
	result *load.Result
}

// experiment is one stage that is broken while it is loaded.
type experiment struct {
	run     *run
	stage   *scenario.Stage
	entries []*entry
	writes  *writer
	// capacity is what the lab carries of an open loop, in requests a second; nil
	// where it was not measured.
	capacity *float64

	roles map[string]*sync.Mutex // a role's nodes are broken one at a time

	mu     sync.Mutex // guards what follows
	events []fault.Event
	errs   []error // of faults
}

// experiment finds out what the lab can do, loads it with a share of that, and
// breaks it.
func (r *run) experiment(ctx context.Context, s *scenario.Stage, first bool) error {
	if err := r.setUp(ctx, s, first); err != nil {
		return err
	}
	clean, err := r.clean(ctx, s)
	if err != nil {
		return err
	}
	m := &measured{stage: s, reset: clean}
	rate := s.Load.Open.Rate
	var capacity *float64 // unknown where the rate is stated
	if rate == 0 {
		closed, qps, err := r.carries(ctx, s)
		if err != nil {
			return err
		}
		m.closed = append(m.closed, closed)
		rate, capacity = s.Load.Open.Share*qps, &qps
	}
	if rate < 1 {
		return errors.New("the closed-loop attack had no success, so there is no rate for the open-loop one")
	}
	x := &experiment{run: r, stage: s, capacity: capacity, roles: map[string]*sync.Mutex{}}
	for _, one := range s.Schedule() {
		x.roles[roleOf(one.Target)] = &sync.Mutex{}
	}
	x.ways()
	got, err := x.attack(ctx, rate)
	if err != nil {
		return err
	}
	m.open = append(m.open, got)
	r.assemble(m)
	return x.conclude(ctx, got)
}

// ways are the entry points to probe.
func (x *experiment) ways() {
	p := x.stage.Load.Probe
	for i := 1; i <= x.stage.Topology.Balancers; i++ {
		name := lab.NameOf(lab.RoleBalancer, i)
		x.entries = append(x.entries, &entry{name: name, method: http.MethodGet, rate: p.Rate})
		x.entries = append(x.entries, &entry{name: name, method: http.MethodPost, rate: p.PostRate})
	}
	for i := 1; i <= x.stage.Topology.Replicas; i++ {
		x.entries = append(x.entries, &entry{name: lab.GatewayName(i), method: http.MethodGet, rate: p.DirectRate, direct: true})
	}
	x.entries = slices.DeleteFunc(x.entries, func(e *entry) bool { return e.rate == 0 || len(x.asks(e.method)) == 0 })
}

// asks are the workload's requests of a method, less those that are meant to
// be limited.
func (x *experiment) asks(method string) []load.Request {
	return slices.DeleteFunc(x.run.attack(x.stage, load.Probes, 1).Requests, func(q load.Request) bool {
		return q.LimitedOK || q.Method != method && (q.Method != "" || method != http.MethodGet)
	})
}

// attack is the open-loop load with all that goes on beside it: probes, faults
// and writes. It returns when every fault is undone.
func (x *experiment) attack(ctx context.Context, rate float64) (*attacked, error) {
	r, s, o := x.run, x.stage, x.stage.Load.Open
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := r.attack(s, load.Open, 1)
	a.Rate, a.Warmup, a.Duration, a.Timeout, a.Connections = rate, o.Warmup, o.Duration, o.Timeout, o.Connections
	if s.Topology.Balancers > 1 {
		a.Standby = r.url(lab.NameOf(lab.RoleBalancer, 2), lab.PortBalancer)
	}
	var (
		begun   sync.Once
		beside  sync.WaitGroup
		watch   *sampler
		counted load.Counts
	)
	defer beside.Wait()
	out := &attacked{round: 1}
	start := func(p load.Progress) {
		watch, counted = sample(ctx, r.lab, a.Duration), p.Counts
		for _, e := range x.entries {
			beside.Go(func() {
				if err := x.probe(ctx, a, e); err != nil && ctx.Err() == nil {
					cancel(fmt.Errorf("probe %s: %w", e.name, err))
				}
			})
		}
		for _, one := range s.Schedule() {
			beside.Go(func() { x.inject(ctx, one) })
		}
		if s.Writes.Rate > 0 {
			x.writes = newWriter(r.lab, s.Writes.Rate)
			beside.Go(func() { x.writes.run(ctx, a.Duration) })
		}
	}
	res, err := r.worker.Run(ctx, a, func(p load.Progress) {
		if p.State == load.Running || p.Ended() {
			begun.Do(func() { start(p) })
		}
		r.progress(s.Name, a, p)
		r.Watch.progress(a, p)
	})
	if watch != nil {
		out.readings = watch.stop(context.WithoutCancel(ctx), r.lab)
	}
	if err != nil {
		cancel(err)
	}
	beside.Wait()
	if err != nil {
		return nil, errors.Join(err, context.Cause(ctx), errors.Join(x.errs...))
	}
	// The load may be over when a probe fails, and without its result nothing can
	// be told of its entry point.
	if cause := context.Cause(ctx); cause != nil {
		return nil, errors.Join(cause, errors.Join(x.errs...))
	}
	out.result, out.events = res, x.events
	out.counted = load.Counts{Requests: res.Requests - counted.Requests, Successes: res.Successes - counted.Successes}
	if n := len(out.readings); n > 1 {
		out.window = out.readings[n-1].at.Sub(out.readings[0].at)
	}
	out.pool = poolOf(out.readings)
	for _, e := range x.entries {
		if e.name == lab.RoleBalancer && e.method == http.MethodGet {
			out.probes = e.result
		}
	}
	r.Console.Step("%s: %s", s.Name, summary(a, res))
	return out, nil
}

// probe asks one entry point for as long as the load lasts.
func (x *experiment) probe(ctx context.Context, beside load.Attack, e *entry) error {
	p := beside
	p.ID = fmt.Sprintf("%s-%s-%s", beside.ID, e.name, e.method)
	port := lab.PortBalancer
	if e.direct {
		port = lab.PortProxy
	}
	p.Target, p.Standby = x.run.url(e.name, port), ""
	p.Model, p.Rate, p.Timeout = load.Probes, e.rate, x.stage.Load.Probe.Timeout
	p.Connections, p.Warmup, p.Requests = 0, 0, x.asks(e.method)
	p.SampleEvery = 1
	res, err := x.run.worker.Run(ctx, p, func(load.Progress) {})
	e.result = res
	return err
}

// inject carries one fault out when it is due, and not while another node of
// the role is broken.
func (x *experiment) inject(ctx context.Context, one scenario.Injection) {
	timer := time.NewTimer(one.At)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	role := x.roles[roleOf(one.Target)]
	role.Lock()
	defer role.Unlock()
	if ctx.Err() != nil {
		return
	}
	f, err := fault.Make(spec(one.Fault, one.Target), faultLab{x.run})
	if err == nil {
		var e fault.Event
		e, err = fault.Run(ctx, f, fault.Plan{RecoverAfter: one.RecoverAfter, RecoverIn: time.Minute, OnStep: func(step string, e fault.Event) {
			x.run.Console.Step("fault %s %s: %s", e.Kind, e.Target, step)
		}})
		x.mu.Lock()
		x.events = append(x.events, e)
		x.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		x.run.Console.Step("fault failed: %v", err)
	}
	if err != nil {
		x.mu.Lock()
		x.errs = append(x.errs, err)
		x.mu.Unlock()
	}
}
