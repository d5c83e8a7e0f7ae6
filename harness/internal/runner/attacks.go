package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

// attacked is one attack with what the nodes did meanwhile.
type attacked struct {
	round    int
	label    string // beside the model, where a round has several attacks of one; may be empty
	result   *load.Result
	readings []reading
	counted  load.Counts // of the load between the first and the last reading
	window   time.Duration
	probes   *load.Result
	events   []fault.Event
	pool     poolUse
	extended bool // it was not steady at first, and was made again
}

// url is where the worker reaches a node.
func (r *run) url(node string, port int) string { return "http://" + r.lab.Addr(node, port) }

// attacks runs a round: closed loop for capacity, then open loop at a share of
// what that found.
func (r *run) attacks(ctx context.Context, m *measured, round int) error {
	s := m.stage
	if len(s.Edge.Countries) > 0 {
		return r.edgeAttacks(ctx, m, round)
	}
	rate := s.Load.Open.Rate
	if c := s.Load.Closed; c.Connections > 0 && c.Duration > 0 {
		a := r.attack(s, load.Closed, round)
		a.Connections, a.Warmup, a.Duration, a.Timeout = c.Connections, c.Warmup, c.Duration, c.Timeout
		got, err := r.settled(ctx, s, a, nil)
		if err != nil {
			return err
		}
		got.round = round
		m.closed = append(m.closed, got)
		if rate == 0 {
			rate = s.Load.Open.Share * got.result.QPS()
			if most := s.Load.Open.MaxRate; most > 0 && rate > most {
				r.Console.Step("%s: %.0f%% of that is %.0f requests/s: offering %.0f, the most that the scenario allows", s.Name, s.Load.Open.Share*100, rate, most)
				rate = most
			}
		}
	}
	if o := s.Load.Open; o.Duration > 0 {
		if rate < 1 {
			return errors.New("the closed-loop attack had no success, so there is no rate for the open-loop one")
		}
		a := r.attack(s, load.Open, round)
		a.Rate, a.Warmup, a.Duration, a.Timeout, a.Connections = rate, o.Warmup, o.Duration, o.Timeout, o.Connections
		got, err := r.settled(ctx, s, a, s.Faults)
		if err != nil {
			return err
		}
		got.round = round
		m.open = append(m.open, got)
	}
	return nil
}

// sampleEvery: the hash of every n-th body is compared. All would cost the
// worker more CPU than the gateway spends on a request.
const hashEvery = 16

func (r *run) attack(s *scenario.Stage, model string, round int) load.Attack {
	a := load.Attack{
		ID: fmt.Sprintf("%s-%s-%d", s.Name, model, round), Model: model, Target: r.url(lab.RoleBalancer, lab.PortBalancer),
		Seed: s.Seed + uint64(round), SampleEvery: hashEvery, //nolint:gosec // rounds are small
	}
	for _, g := range s.Workload.Consumers {
		group := load.ConsumerGroup{Name: g.Name, Weight: g.Weight}
		for i := 1; i <= g.Count; i++ {
			group.Keys = append(group.Keys, consumerKey(g.Name, i))
		}
		a.Consumers = append(a.Consumers, group)
	}
	for _, q := range s.Workload.Requests {
		a.Requests = append(a.Requests, load.Request{
			Name: q.Name, Method: q.Method, Path: q.Path, Body: q.Body, Header: q.Headers, Weight: q.Weight,
			IDs: q.IDs, Zipf: q.Zipf, Consumers: q.Consumers, Expect: q.Expect, LimitedOK: q.LimitedOK,
		})
	}
	return a
}

// run carries out one attack: it watches the nodes in the measured window,
// probes beside an open loop, and injects the faults.
func (r *run) run(ctx context.Context, s *scenario.Stage, a load.Attack, faults []scenario.Fault) (*attacked, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &attacked{}
	var (
		began   sync.Once
		side    sync.WaitGroup // probes and faults
		mu      sync.Mutex     // guards out and failed
		failed  error
		watch   *sampler
		counted load.Counts
	)
	fail := func(err error) {
		if err == nil || ctx.Err() != nil {
			return
		}
		mu.Lock()
		failed = errors.Join(failed, err)
		mu.Unlock()
		cancel(err)
	}
	defer side.Wait()
	start := func(p load.Progress) {
		watch, counted = sample(ctx, r.lab, a.Duration), p.Counts
		if a.Model == load.Open && s.Load.Probe.Rate > 0 {
			side.Go(func() {
				res, err := r.worker.Run(ctx, r.probe(s, a), func(load.Progress) {})
				mu.Lock()
				out.probes = res
				mu.Unlock()
				fail(err)
			})
		}
		for _, f := range faults {
			side.Go(func() {
				e, err := r.inject(ctx, f)
				mu.Lock()
				out.events = append(out.events, e)
				mu.Unlock()
				fail(err)
			})
		}
	}
	res, err := r.worker.Run(ctx, a, func(p load.Progress) {
		if p.State == load.Running || p.Ended() {
			began.Do(func() { start(p) })
		}
		r.progress(s.Name, a, p)
		r.Watch.progress(a, p)
	})
	if watch != nil {
		out.readings = watch.stop(context.WithoutCancel(ctx), r.lab)
	}
	if err != nil {
		cancel(err)
		side.Wait()
		return nil, errors.Join(err, failed)
	}
	side.Wait()
	if failed != nil {
		return nil, failed
	}
	out.result = res
	out.counted = load.Counts{Requests: res.Requests - counted.Requests, Successes: res.Successes - counted.Successes}
	if n := len(out.readings); n > 1 {
		out.window = out.readings[n-1].at.Sub(out.readings[0].at)
	}
	out.pool = poolOf(out.readings)
	r.Console.Step("%s %s: %s; CPU us a request: %s", s.Name, a.Model, summary(a, res), cpuSummary(out))
	return out, nil
}

// probe asks at a low rate, beside the load and for as long, for what can be
// asked again: an idempotent request that must succeed.
func (r *run) probe(s *scenario.Stage, beside load.Attack) load.Attack {
	p := beside
	p.ID += "-probe"
	p.Model, p.Rate, p.Timeout = load.Probes, s.Load.Probe.Rate, s.Load.Probe.Timeout
	p.Connections, p.Warmup = 0, 0
	p.Requests = slices.DeleteFunc(slices.Clone(beside.Requests), func(q load.Request) bool { return q.Method != "GET" && q.Method != "" })
	return p
}

// inject carries one fault out against a node of the lab.
func (r *run) inject(ctx context.Context, f scenario.Fault) (fault.Event, error) {
	n, ok := r.lab.Node(f.Target)
	if !ok {
		return fault.Event{}, fmt.Errorf("fault %s: the lab has no node %q", f.Kind, f.Target)
	}
	broken, err := fault.Make(spec(f, n.Name()), faultLab{r})
	if err != nil {
		return fault.Event{}, err
	}
	return fault.Run(ctx, broken, fault.Plan{At: f.At, RecoverAfter: f.RecoverAfter, OnStep: func(step string, e fault.Event) {
		r.Console.Step("fault %s %s: %s", e.Kind, e.Target, step)
		r.Watch.fault(step, e)
	}})
}

// findCeiling measures what the generator can do in this lab against a server
// that does nothing.
func (r *run) findCeiling(ctx context.Context, s *scenario.Stage) error {
	a := load.Attack{
		ID: "ceiling", Model: load.Closed, Target: r.url(lab.RoleOrigin, lab.PortNull),
		Connections: max(s.Load.Closed.Connections, 1), Warmup: 500 * time.Millisecond, Duration: 2 * time.Second, Timeout: 5 * time.Second,
		Seed: s.Seed, SampleEvery: hashEvery, Requests: []load.Request{{Name: "null", Path: "/", Weight: 1}},
	}
	res, err := r.worker.Run(ctx, a, func(p load.Progress) { r.progress("ceiling", a, p) })
	if err != nil {
		return err
	}
	r.ceiling = res.QPS()
	r.result.Ceiling = ceiling(a, res)
	r.Console.Step("ceiling: %.0f requests/s against a server that does nothing", r.ceiling)
	return nil
}
