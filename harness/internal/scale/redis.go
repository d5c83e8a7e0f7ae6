package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// RedisOptions say how to measure Redis.
type RedisOptions struct {
	session.Config
	File        string        // the scenario: each stage is one way in which gateways use Redis
	Window      time.Duration // of one replay
	Depths      []int         // commands sent together, for each a replay
	Connections int           // of a replay
}

// Bounds of the options, for their errors.
const (
	maxDepth       = 1000
	maxConnections = 1000
)

func (o RedisOptions) validate() error {
	switch {
	case o.Window < time.Second || o.Window > time.Minute:
		return fmt.Errorf("window: %s is not allowed: want 1s to 1m", o.Window)
	case o.Connections < 1 || o.Connections > maxConnections:
		return fmt.Errorf("connections: %d is not allowed: want 1 to %d", o.Connections, maxConnections)
	case len(o.Depths) == 0:
		return errors.New("depths: want at least one number")
	}
	for _, d := range o.Depths {
		if d < 1 || d > maxDepth {
			return fmt.Errorf("depths: %d is not allowed: want 1 to %d", d, maxDepth)
		}
	}
	return nil
}

// Redis records, for each stage of a scenario, the commands that the gateways send to Redis under load, and replays them to find out how
// many of them one Redis executes. The lab is always removed.
func Redis(ctx context.Context, o RedisOptions) (*session.Outcome, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	plan, err := stage.Load(o.File, o.Profile)
	if err != nil {
		return nil, err
	}
	plan.Staff(o.Config)
	for i := range plan.Stages {
		if plan.Stages[i].Load.Closed.Connections == 0 {
			return nil, fmt.Errorf("stage %s: load.closed.connections: 0 is not allowed: want at least 1", plan.Stages[i].Name)
		}
	}
	first := &plan.Stages[0]
	return session.Run(ctx, o.Config, session.Plan{
		Name: "scale-redis", Topology: stage.Topology(first), Seed: first.Seed, CeilingConnections: first.Load.Closed.Connections,
	}, session.Program{Measure: func(ctx context.Context, s *session.Session) error {
		s.Result.Scale = &result.Scale{}
		for i := range plan.Stages {
			one, err := o.stage(ctx, s, &plan.Stages[i], i == 0)
			if err != nil {
				return fmt.Errorf("%s: %w", plan.Stages[i].Name, err)
			}
			s.Result.Scale.Redis = append(s.Result.Scale.Redis, one)
		}
		return nil
	}})
}

// stage loads the gateways twice: once undisturbed, for the stage's own figures, and once while their commands are recorded, which costs
// Redis time. Then the commands are replayed, while the gateways have nothing to do.
func (o RedisOptions) stage(ctx context.Context, s *session.Session, st *scenario.Stage, fresh bool) (out result.RedisScale, err error) {
	defer s.Stage(st.Name)()
	out = result.RedisScale{Stage: st.Name, Replays: []result.RedisReplay{}}
	empty, err := stage.SetUp(ctx, s, st, fresh)
	if err != nil {
		return out, err
	}
	undisturbed, err := s.Attack(ctx, st.Name, stage.Workload(s, st, load.Closed, 1))
	if err != nil {
		return out, err
	}
	undisturbed.Round = 1
	stage.Report(s, &assess.Measurement{Stage: st, Empty: empty, Closed: []*assess.Recording{undisturbed}})
	t, requests, err := recorded(ctx, s, st)
	if err != nil {
		return out, err
	}
	out.Requests, out.Recorded = requests, t.total()
	out.Commands, out.PerReq = t.count, float64(out.Recorded)/float64(requests)
	s.Step("%s: %d commands for %d requests: %.3f per request", st.Name, out.Recorded, requests, out.PerReq)
	node, ok := s.Lab.Node(topology.RoleRedis)
	if !ok {
		return out, errors.New("the lab has no redis")
	}
	for _, depth := range o.Depths {
		one, err := replay(ctx, node, t, o.Window, depth, o.Connections)
		if err != nil {
			return out, err
		}
		one.RequestsPS = one.CorePS / out.PerReq
		out.Replays = append(out.Replays, one)
		s.Step("%s: %.0f commands/s, %d at a time; %.0f/s on a core of its own", st.Name, one.CommandsPS, depth, one.CorePS)
	}
	return out, nil
}

// recorded is a second attack of a stage, and the commands that Redis was sent meanwhile.
func recorded(ctx context.Context, s *session.Session, st *scenario.Stage) (*trace, uint64, error) {
	node, ok := s.Lab.Node(topology.RoleRedis)
	if !ok {
		return nil, 0, errors.New("the lab has no redis")
	}
	listening, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	var t *trace
	ended := make(chan error, 1)
	go func() {
		var err error
		t, err = record(listening, node.HostAddr(topology.PortRedis), func() { close(ready) })
		ended <- err
	}()
	select {
	case <-ready:
	case err := <-ended:
		return nil, 0, err
	case <-ctx.Done():
		<-ended
		return nil, 0, context.Cause(ctx)
	}
	a := stage.Workload(s, st, load.Closed, 2)
	a.Warmup = 0 // every request is counted
	got, err := s.Attack(ctx, st.Name, a)
	stop()
	if rerr := <-ended; err == nil {
		err = rerr
	}
	switch {
	case err != nil:
		return nil, 0, err
	case got.Result.Requests == 0:
		return nil, 0, errors.New("no request was answered while the commands were recorded")
	}
	return t, got.Result.Requests, nil
}
