package compare

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// headDatabase is the database of the second arm: a build may migrate its schema.
const headDatabase = lab.PostgresDatabase + "_head"

// topology is the lab with the first arms. Of a lab that does not run yet (nil) there may only be one: the address of head's database is
// the running lab's to tell.
func (t *trial) topology(arms int, running *lab.Lab) topology.Topology {
	out := stage.Topology(&t.stages[0])
	out.Replicas, out.Collector = arms, out.Collector || t.options.Tracing != nil
	out.Programs, out.Settings = map[string]string{}, map[string]map[string]string{}
	for i := range arms {
		name := topology.GatewayName(i + 1)
		arm := t.arms[i]
		out.Programs[name] = t.builds.program(arm)
		out.Worker = append(out.Worker, "--allow-target="+name)
		settings := map[string]string{}
		if t.builds.pprof[arm] {
			settings["pprof"] = "true"
		}
		if arm == gate.Head {
			settings["pg_dsn"] = sut.DSN(running.Addr(topology.RolePostgres, topology.PortPostgres), headDatabase)
		}
		out.Settings[name] = settings
	}
	return out
}

// prepare gives the arms databases of their own, configures each, and warms them up.
func (b *bench) prepare(ctx context.Context) error {
	began := time.Now()
	s := b.session
	pg, ok := s.Lab.Node(topology.RolePostgres)
	if !ok {
		return fmt.Errorf("the lab has no %s", topology.RolePostgres)
	}
	if err := sut.CreateDatabase(ctx, pg, headDatabase); err != nil {
		return err
	}
	if err := topology.Apply(ctx, s.Lab, b.topology(len(b.arms), s.Lab)); err != nil {
		return err
	}
	b.record.Ceiling = s.CeilingQPS
	for i, arm := range b.arms { // each over its own Admin API
		node, err := b.arm(i)
		if err != nil {
			return err
		}
		if arm != gate.Again { // which has Base's database, and so its configuration
			if err := sut.Apply(ctx, sut.Admin(node), b.entities(arm, i)); err != nil {
				return fmt.Errorf("configure %s: %w", arm, err)
			}
		}
		if err := sut.Agree(ctx, []lab.Node{node}); err != nil {
			return fmt.Errorf("configure %s: %w", arm, err)
		}
	}
	for i := range b.stages { // the manifest says what each arm's stages are made of
		for _, arm := range b.arms {
			one := b.stages[i]
			one.Name = one.Name + "/" + arm // as the report has it
			stage.Describe(s, &one)
		}
	}
	var err error
	if b.empty, err = (sut.Gatelab{Lab: s.Lab}).Empty(ctx, b.stages[0].Entities); err != nil {
		return err
	}
	s.Step("all arms configured (%.1f s)", time.Since(began).Seconds())
	return b.warm(ctx)
}

// apart gives an arm a Redis database of its own: builds may store differently.
func apart(v any, database int) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x)+1)
		for k, e := range x {
			out[k] = apart(e, database)
		}
		if host, ok := x["host"].(string); ok && strings.HasPrefix(host, topology.RoleRedis) {
			out["database"] = int64(database)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = apart(e, database)
		}
		return out
	}
	return v
}

// aim is an attack straight on one arm.
func (b *bench) aim(s *scenario.Stage, model string, round, arm int) load.Attack {
	b.place++
	a := stage.Workload(b.session, s, model, round)
	a.ID = fmt.Sprintf("%s-%s-%d-%d", b.arms[arm], a.ID, round, b.place)
	a.Target = b.session.URL(topology.GatewayName(arm+1), topology.PortProxy)
	return a
}

// arm is the node of an arm.
func (b *bench) arm(i int) (lab.Node, error) {
	name := topology.GatewayName(i + 1)
	node, ok := b.session.Lab.Node(name)
	if !ok {
		return nil, fmt.Errorf("the lab has no %s", name)
	}
	return node, nil
}

// Of renew and warm.
const (
	renewWithin = 45 * time.Second
	warmFor     = 500 * time.Millisecond // per workload
	warmRate    = 400.0                  // requests per second and arm
)

// renew restarts every arm's process, all at the same time, and warms them up. The
// memory layout of a process, and the rhythm of its garbage collector, stay with
// it for as long as it lives, and no number of rounds would average that out.
func (b *bench) renew(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	for i := range b.arms {
		group.Go(func() error {
			if err := b.renewArm(gctx, i); err != nil {
				return fmt.Errorf("restart %s: %w", b.arms[i], err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return b.warm(ctx)
}

// warm sends what fills caches and connections, to all arms at the same time.
func (b *bench) warm(ctx context.Context) error {
	for i := range b.stages {
		group, gctx := errgroup.WithContext(ctx)
		for arm := range b.arms {
			a := b.aim(&b.stages[i], load.Open, 0, arm)
			// Nothing is measured, and only probes may run side by side.
			a.Model, a.Rate = load.Probes, min(a.Rate, warmRate)
			a.Warmup, a.Duration = 0, warmFor
			group.Go(func() error {
				if _, err := b.session.Workers.Run(gctx, a, nil); err != nil {
					return fmt.Errorf("warm up %s: %w", b.arms[arm], err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return pause(ctx)
}

func (b *bench) renewArm(ctx context.Context, arm int) error {
	node, err := b.arm(arm)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, renewWithin)
	defer cancel()
	// Nothing is in flight and all its state is kept elsewhere: no need to drain.
	if err := node.Kill(ctx); err != nil {
		return err
	}
	for {
		if s, err := node.State(ctx); err == nil && !s.Running {
			break
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("it still runs: %w", err)
		}
	}
	if err := node.Start(ctx); err != nil {
		return err
	}
	if err := topology.ReadyByRole(ctx, node); err != nil {
		return err
	}
	return sut.Agree(ctx, []lab.Node{node})
}
