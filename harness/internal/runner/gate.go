package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
	"gatelab/harness/internal/stats"
)

// GateOptions say what to compare. Of Options, File, Profile, Runtime, Reports,
// Harness, Version, Command and Console count.
type GateOptions struct {
	Options
	Base      string // git reference of the first arm
	Patch     string // a patch to put onto Base's tree for the second arm; empty: the working tree is the second arm
	Baseline  string // a committed result to compare with instead of Base
	MaxRounds int    // after the one extension; 0: twice the scenario's rounds
	Margins   gate.Margins
	Profiles  bool // take CPU and heap profiles when the gate fails
}

// GateOutcome is what came of a gate.
type GateOutcome struct {
	Result   *report.Result
	Record   *gate.Record
	Decision gate.Decision
	Dir      string // of the report
}

// gating is a gate under way.
type gating struct {
	*run
	options  GateOptions
	builds   *builds
	record   *gate.Record
	arms     []string           // in the order of the lab's replicas
	baseline *gate.Record       // nil: Base was built
	summed   map[string]*armSum // by workload and arm
	profiled map[string][]byte  // file -> content
	place    int                // attacks so far, for their identifiers
	empty    bool               // database and Redis were seen to be, before the first attack
}

// warmByDesign says what rounds find: an emptied cache in each would cost more
// noise than it takes away, and the order of arms alternates.
const warmByDesign = "empty before the first round, and warm from round to round by design"

// Gate builds both arms, measures them side by side and decides. The lab and
// what was built are always removed. The error is nil whatever the verdict.
func Gate(ctx context.Context, o GateOptions) (*GateOutcome, error) {
	if err := o.Margins.Validate(); err != nil {
		return nil, err
	}
	o.Stages = nil
	r, err := prepare(o.Options)
	if err != nil {
		return nil, err
	}
	r.name = "gate"
	r.id = time.Now().UTC().Format("20060102T150405Z") + "-gate"
	g := &gating{run: r, options: o, arms: []string{gate.Base, gate.Head, gate.Again}, summed: map[string]*armSum{}, profiled: map[string][]byte{}}
	if err := g.plan(); err != nil {
		return nil, err
	}
	if o.Baseline != "" {
		if g.baseline, err = gate.Read(o.Baseline); err != nil {
			return nil, err
		}
		g.arms = []string{gate.Base, gate.Again}
	}
	began := time.Now()
	r.cpu = readCPU()
	r.result = &report.Result{RunID: r.id, Scenario: "gate", Profile: o.Profile, StartedAt: began.UTC(), InvalidReasons: []string{}, Histograms: map[string][]byte{}}
	if g.builds, err = build(ctx, g.Console, o); err != nil {
		return nil, err
	}
	defer g.builds.remove()
	maps.Copy(g.record.Arms, g.builds.said)
	d, err := g.inLab(ctx)
	if err != nil {
		return nil, err
	}
	r.result.FinishedAt = time.Now().UTC()
	return g.conclude(d)
}

// plan fills the record's frame.
func (g *gating) plan() error {
	first := g.stages[0]
	most, looks := g.options.MaxRounds, 1
	if most == 0 {
		most = 2 * first.Rounds
	}
	if most > first.Rounds {
		looks = 2
	}
	if needed := stats.NeededPairs(gate.PerWorkload*len(g.stages)+gate.InAll, looks); first.Rounds < needed {
		return fmt.Errorf("rounds: %d is not allowed: want at least %d: of fewer pairs no regression could be proven", first.Rounds, needed)
	}
	if most < first.Rounds {
		return fmt.Errorf("max-rounds: %d is not allowed: want at least the scenario's %d rounds", most, first.Rounds)
	}
	g.record = &gate.Record{
		StartedAt: time.Now().UTC(), Arms: map[string]string{}, Machine: machine(), Margins: g.options.Margins,
		Rounds: first.Rounds, MaxRounds: most,
	}
	for i := range g.stages {
		s := &g.stages[i]
		if s.Load.Open.Rate < 1 || s.Load.Open.Duration <= 0 {
			return fmt.Errorf("stage %s: load.open: a gate wants a rate of its own and a duration: a share of what a build can do would load the arms unalike", s.Name)
		}
		g.record.Workloads = append(g.record.Workloads, s.Name)
	}
	return nil
}

// topology is the lab with all arms, or with the first one alone.
func (g *gating) topology(arms int) lab.Topology {
	t := topology(&g.stages[0])
	t.Replicas = arms
	t.Programs, t.Settings = map[string]string{}, map[string]map[string]string{}
	for i := range arms {
		name, arm := lab.GatewayName(i+1), g.arms[i]
		t.Programs[name] = g.builds.program(arm)
		t.Worker = append(t.Worker, "--allow-target="+name)
		settings := map[string]string{}
		if g.builds.profiles(arm) {
			settings["pprof"] = "true"
		}
		if arm == gate.Head {
			settings["pg_dsn"] = fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", lab.PostgresUser, lab.PostgresPassword, g.lab.Addr(lab.RolePostgres, lab.PortPostgres), headDatabase)
		}
		t.Settings[name] = settings
	}
	return t
}

// inLab brings the lab up, measures, looks, extends once where that may help,
// and takes the lab down whatever happens.
func (g *gating) inLab(ctx context.Context) (d gate.Decision, err error) {
	c, err := g.carry(ctx, carryOptions{binaries: g.builds.binaries(g.Harness)})
	if err != nil {
		return d, err
	}
	g.runtime, g.result.Runtime = c.runtime, c.name
	g.lab = lab.New(c.runtime, lab.Options{Layout: c.layout, Progress: func(string) {}})
	defer func() { err = errors.Join(err, g.lab.Close(ctx)) }()
	if err := g.setUp(ctx); err != nil {
		return d, err
	}
	if err := g.rounds(ctx, 1, g.record.Rounds); err != nil {
		return d, err
	}
	d = g.decide(g.record.Rounds)
	if d.Verdict == stats.Inconclusive && g.record.MaxRounds > g.record.Rounds {
		g.Console.Step("inconclusive after %d rounds (%s); going on to %d, once", g.record.Rounds, d.Reason, g.record.MaxRounds)
		if err := g.rounds(ctx, g.record.Rounds+1, g.record.MaxRounds); err != nil {
			return d, err
		}
		d = g.decide(g.record.MaxRounds)
	}
	if d.Verdict == stats.Fail && g.options.Profiles && g.baseline == nil {
		if err := g.profile(ctx, d); err != nil {
			g.Console.Step("no profiles: %v", err)
		}
	}
	return d, nil
}

// setUp starts the lab, gives the arms databases of their own (a build may
// migrate its schema) and configures each over its own Admin API.
func (g *gating) setUp(ctx context.Context) error {
	began := time.Now()
	if err := g.lab.Apply(ctx, g.topology(1)); err != nil {
		return err
	}
	pg, _ := g.lab.Node(lab.RolePostgres)
	if err := createDatabase(ctx, pg, headDatabase); err != nil {
		return err
	}
	all := g.topology(len(g.arms))
	if err := g.lab.Apply(ctx, all); err != nil {
		return err
	}
	g.manifestRuntime(ctx)
	worker, _ := g.lab.Node(lab.RoleWorker)
	g.worker = load.NewClient("http://" + worker.HostAddr(lab.PortWorker))
	ceilingStage := g.stages[0]
	ceilingStage.Load.Closed.Connections = max(ceilingStage.Load.Closed.Connections, 32)
	if err := g.findCeiling(ctx, &ceilingStage); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	g.record.Ceiling = g.ceiling
	for i, arm := range g.arms {
		if err := g.configure(ctx, i, arm); err != nil {
			return fmt.Errorf("configure %s: %w", arm, err)
		}
	}
	g.manifestArms()
	var err error
	if g.empty, err = g.clean(ctx, &g.stages[0]); err != nil {
		return err
	}
	g.Console.Step("lab up, all arms configured (%.1f s)", time.Since(began).Seconds())
	return g.warm(ctx)
}

// configure gives an arm its entities, over its own Admin API, and waits until
// it serves them. Again has Base's database, and so its configuration.
func (g *gating) configure(ctx context.Context, i int, arm string) error {
	node, ok := g.lab.Node(lab.GatewayName(i + 1))
	if !ok {
		return fmt.Errorf("the lab has no %s", lab.GatewayName(i+1))
	}
	if arm != gate.Again {
		c, err := newConfigurator("http://" + node.HostAddr(lab.PortAdmin))
		if err != nil {
			return err
		}
		entities, _ := g.apart(g.entities(&g.stages[0]), i).(map[string]any)
		if err := c.apply(ctx, entities); err != nil {
			return err
		}
	}
	return g.agree(ctx, []lab.Node{node})
}

// decide looks at the first rounds.
func (g *gating) decide(rounds int) gate.Decision {
	if g.baseline != nil {
		return gate.Against(g.baseline, g.record, rounds)
	}
	return gate.Decide(g.record, rounds)
}

// apart gives an arm a Redis database of its own: builds may store differently.
func (g *gating) apart(v any, database int) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x)+1)
		for k, e := range x {
			out[k] = g.apart(e, database)
		}
		if host, ok := x["host"].(string); ok && strings.HasPrefix(host, lab.RoleRedis) {
			out["database"] = int64(database)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = g.apart(e, database)
		}
		return out
	}
	return v
}

// aim is an attack straight on one arm.
func (g *gating) aim(s *scenario.Stage, model string, round, arm int) load.Attack {
	g.place++
	a := g.attack(s, model, round)
	a.ID = fmt.Sprintf("%s-%s-%d-%d", g.arms[arm], a.ID, round, g.place)
	a.Target = "http://" + g.lab.Addr(lab.GatewayName(arm+1), lab.PortProxy)
	o := s.Load.Open
	a.Rate, a.Connections, a.Warmup, a.Duration, a.Timeout = o.Rate, o.Connections, o.Warmup, o.Duration, o.Timeout
	if model == load.Closed {
		c := s.Load.Closed
		a.Rate, a.Connections, a.Warmup, a.Duration, a.Timeout = 0, c.Connections, c.Warmup, c.Duration, c.Timeout
	}
	return a
}
