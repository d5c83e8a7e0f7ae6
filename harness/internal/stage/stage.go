// Package stage translates a stage of a scenario into the terms of the lab and of the load generator: the topology, the entities, the
// attack. It sets a lab up accordingly, and reports what was measured of it. stage.go follows a stage from its file to the report.
package stage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Plan is a scenario's stages that were chosen.
type Plan struct {
	Name   string // of the run: the one stage, scenario.All, or the scenario
	Stages []scenario.Stage
}

// Load reads a scenario and plans the named stages under a profile; no names, or scenario.All, are all stages.
func Load(file, profile string, names ...string) (Plan, error) {
	s, err := scenario.Load(file)
	if err != nil {
		return Plan{}, err
	}
	if slices.Equal(names, []string{scenario.All}) {
		names = nil
	}
	stages, err := s.Plan(profile, names...)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Name: s.Name, Stages: stages}
	switch {
	case len(names) == 1:
		p.Name = names[0]
	case len(names) == 0 && len(s.StageNames) > 1:
		p.Name = scenario.All
	}
	return p, nil
}

// Names are the stages' names.
func (p Plan) Names() []string {
	names := make([]string, len(p.Stages))
	for i := range p.Stages {
		names[i] = p.Stages[i].Name
	}
	return names
}

// Topology is the lab that a stage asks for.
func Topology(s *scenario.Stage) topology.Topology {
	fillsDisk := func(f scenario.Fault) bool { return f.Kind == fault.KindDiskFull }
	t := topology.Topology{
		Replicas:  s.Topology.Replicas,
		Balancers: s.Topology.Balancers,
		Origins:   s.Topology.Origins,
		Workers:   s.Topology.Workers,
		Collector: s.Topology.Tracing.On,
		SmallDisk: slices.ContainsFunc(s.Faults, fillsDisk) || slices.ContainsFunc(s.Random.Faults, fillsDisk),
		Resources: map[string]topology.Resources{},
		Links:     map[string]topology.Link{},
		Gateway:   s.Gateway,
		Origin:    s.Origin.Flags(),
		Balancer: topology.Balance{Method: s.LB.Balance, Keepalive: s.LB.Keepalive, MaxFails: s.LB.MaxFails,
			FailTimeout: s.LB.FailTimeout, Retries: s.LB.Retries, Connect: s.LB.Connect, Idempotent: s.LB.Idempotent},
		Worker: []string{
			"--allow-target=" + topology.RoleBalancer, "--allow-target=" + topology.RoleOrigin, "--allow-target=" + topology.RoleLink,
		},
	}
	for _, r := range s.Topology.Regions {
		t.Regions = append(t.Regions, topology.Region{Name: r.Name, Replicas: r.Replicas, Link: topology.Link(r.Link)})
	}
	if s.Topology.Balancers > 1 {
		t.Worker = append(t.Worker, "--allow-target="+topology.NameOf(topology.RoleBalancer, 2))
	}
	if s.Load.Probe.DirectRate > 0 {
		for i := 1; i <= s.Topology.Replicas; i++ {
			t.Worker = append(t.Worker, "--allow-target="+topology.GatewayName(i))
		}
	}
	for role, n := range s.Topology.Nodes {
		t.Resources[role] = topology.Resources{CPUs: n.CPUs, Memory: int64(n.Memory), Cores: n.Cores}
	}
	if len(s.Edge.Countries) > 0 {
		t.Edge = &topology.Edge{Vars: s.Edge.Vars, Origin: topology.Link(s.Edge.Origin)}
		for _, c := range s.Edge.Countries {
			t.Edge.Ways = append(t.Edge.Ways, topology.Way{Name: c.Name, Direct: topology.Link(c.Direct), Near: topology.Link(c.Near)})
		}
	}
	for far, l := range s.Topology.Links {
		t.Links[far] = topology.Link(l)
	}
	return t
}

// Cut are the roles that faults of the stages disconnect from the network.
func Cut(stages []scenario.Stage) []string {
	var roles []string
	for i := range stages {
		for _, f := range slices.Concat(stages[i].Faults, stages[i].Random.Faults) {
			role := f.Role
			if role == "" {
				role = lab.RoleOf(f.Target)
			}
			if f.Kind == fault.KindCutOff && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	return roles
}

// Drains says whether a fault of the stages drains a machine.
func Drains(stages []scenario.Stage) bool {
	return slices.ContainsFunc(stages, func(s scenario.Stage) bool {
		return slices.ContainsFunc(slices.Concat(s.Faults, s.Random.Faults), func(f scenario.Fault) bool { return f.Kind == fault.KindDrain })
	})
}

// SetUp makes the lab as the stage wants it, empty of all that was before, and configures the gateways. A fresh lab needs no emptying.
// empty says whether nothing but the stage's entities was seen in the database and in Redis afterwards.
func SetUp(ctx context.Context, s *session.Session, st *scenario.Stage, fresh bool) (empty bool, err error) {
	began := time.Now()
	gateway := sut.Gatelab{Lab: s.Lab}
	if !fresh {
		if err := gateway.Reset(ctx); err != nil {
			return false, err
		}
		if err := topology.Apply(ctx, s.Lab, Topology(st)); err != nil {
			return false, err
		}
		if err := s.FindWorkers(); err != nil {
			return false, err
		}
	}
	// Afterwards replicas that hold leases have announced themselves in Redis.
	unused, err := gateway.Unused(ctx)
	if err != nil {
		return false, err
	}
	if err := gateway.Configure(ctx, Entities(st, s.Lab)); err != nil {
		return false, err
	}
	s.Step("%s: configured, %d replica(s) agree (%.1f s)", st.Name, st.Topology.Replicas, time.Since(began).Seconds())
	only, err := gateway.Only(ctx, st.Entities)
	return unused && only, err
}

// Workload is the stage's workload as an attack of a model on the load balancer, with the connections, the times and the rate that the
// stage states for that model; an open loop's rate may be left for the caller to set, in requests per second.
func Workload(s *session.Session, st *scenario.Stage, model string, round int) load.Attack {
	a := load.Attack{
		ID: fmt.Sprintf("%s-%s-%d", st.Name, model, round), Model: model, Target: s.URL(topology.RoleBalancer, topology.PortBalancer),
		Seed: st.Seed + uint64(round), SampleEvery: session.HashEvery, //nolint:gosec // rounds are small
		LatencyOf: st.SLO.Requests(),
	}
	for _, g := range st.Workload.Consumers {
		group := load.ConsumerGroup{Name: g.Name, Weight: g.Weight}
		for i := 1; i <= g.Count; i++ {
			group.Keys = append(group.Keys, ConsumerKey(g.Name, i))
		}
		a.Consumers = append(a.Consumers, group)
	}
	for _, q := range st.Workload.Requests {
		a.Requests = append(a.Requests, load.Request{
			Name: q.Name, Method: q.Method, Path: q.Path, Body: q.Body, Header: q.Headers, Weight: q.Weight,
			IDs: q.IDs, Zipf: q.Zipf, Consumers: q.Consumers, Expect: q.Expect, LimitedOK: q.LimitedOK,
		})
	}
	switch model {
	case load.Closed:
		c := st.Load.Closed
		a.Connections, a.Timeout = c.Connections, c.Timeout
		a.Warmup, a.Duration = c.Warmup, c.Duration
	case load.Open:
		o := st.Load.Open
		a.Rate, a.Connections = o.Rate, o.Connections
		a.Timeout = o.Timeout
		a.Warmup, a.Duration = o.Warmup, o.Duration
	}
	return a
}

// Shape gives an open attack the shape and the arrivals of the stage's, whose duration it must have. Attacks that search for a rate, or
// compare builds at one, are without.
func Shape(a *load.Attack, st *scenario.Stage) {
	for _, s := range st.Load.Open.Shape {
		a.Shape = append(a.Shape, load.Segment{For: s.For, From: s.Level, To: s.To})
	}
	if st.Load.Open.Arrivals == scenario.ArrivalsPoisson {
		a.Arrivals = load.Poisson
	}
}

// Fault is a scenario's fault on a target.
func Fault(f scenario.Fault, target string) fault.Spec {
	return fault.Spec{Kind: f.Kind, Target: target, Latency: f.Latency, Rate: f.Rate, Share: f.Share, CPUs: f.CPUs}
}

// Report puts what was measured of a stage into the session's result, while the lab is there.
func Report(s *session.Session, m *assess.Measurement) {
	m.Conditions = s.Conditions()
	out, histograms := m.Result()
	s.Result.Stages = append(s.Result.Stages, out)
	maps.Copy(s.Result.Histograms, histograms)
	Describe(s, m.Stage)
}

// Describe says in the manifest what a stage is made of, without credentials, while its lab is there.
func Describe(s *session.Session, st *scenario.Stage) {
	links := map[string]string{}
	if e := st.Edge; len(e.Countries) > 0 {
		links["edge to balancer"] = e.Origin.Latency.String() + " each way"
		for _, c := range e.Countries {
			links[c.Name+" to balancer"] = fmt.Sprintf("%s each way", c.Direct.Latency)
			links[c.Name+" to edge"] = fmt.Sprintf("%s each way", c.Near.Latency)
		}
	}
	for far, l := range st.Topology.Links {
		links[far] = l.Latency.String() + " each way"
	}
	if r := st.Topology.Regions; len(r) > 1 {
		l := r[1].Link
		links[r[1].Name+" to "+r[0].Name] = fmt.Sprintf("%s ± %s each way, %g of it lost once", l.Latency, l.Jitter, l.Loss)
	}
	out := result.StageManifest{Links: links, Entities: maps.Clone(st.Entities)}
	conditions := s.Conditions()
	for _, n := range s.Lab.Nodes("") {
		limits := conditions.Limits(st, n.Role())
		out.Nodes = append(out.Nodes, result.NodeManifest{
			Name: n.Name(), Role: n.Role(), CPUs: limits.CPUs, MemoryMiB: float64(limits.Memory) / (1 << 20),
			Settings: conditions.Settings[n.Name()],
		})
	}
	if consumers, ok := out.Entities["consumers"].([]any); ok {
		public := slices.Clone(consumers)
		for i, c := range public {
			if one, isMap := c.(map[string]any); isMap {
				one = maps.Clone(one)
				delete(one, "keyauth_credentials")
				public[i] = one
			}
		}
		out.Entities["consumers"] = public
	}
	if s.Result.Manifest.Stages == nil {
		s.Result.Manifest.Stages = map[string]result.StageManifest{}
	}
	s.Result.Manifest.Stages[st.Name] = out
}
