package runner

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

// turnFor is about how long an arm is attacked before it is the next one's turn:
// what the host does for seconds then falls on all of them, and what it does for
// milliseconds on few turns.
const turnFor = 250 * time.Millisecond

// armRound is one arm's part of a round under one workload.
type armRound struct {
	place    int // among the arms of the round's first turn, from 1
	turns    []*load.Result
	cpu      float64 // seconds
	memory   uint64  // bytes, after the last turn
	readings []reading
}

// takeTurn attacks one arm, open-loop, for one turn.
func (g *gating) takeTurn(ctx context.Context, s *scenario.Stage, round, arm int, length time.Duration, to *armRound) error {
	node, err := g.arm(arm)
	if err != nil {
		return err
	}
	a := g.aim(s, load.Open, round, arm)
	a.Duration = length
	before, err := node.Usage(ctx)
	if err != nil {
		return err
	}
	first := reading{at: time.Now(), cpu: readCPU(), pressure: readPressure()}
	res, err := g.worker.Run(ctx, a, nil)
	if err != nil {
		return err
	}
	after, err := node.Usage(ctx)
	if err != nil {
		return err
	}
	to.turns = append(to.turns, res)
	to.cpu += after.CPUSeconds - before.CPUSeconds
	to.memory = after.MemoryBytes
	to.readings = append(to.readings, first, reading{at: time.Now(), cpu: readCPU(), pressure: readPressure()})
	return pause(ctx)
}

// arm is the node of an arm.
func (g *gating) arm(i int) (lab.Node, error) {
	name := lab.GatewayName(i + 1)
	node, ok := g.lab.Node(name)
	if !ok {
		return nil, fmt.Errorf("the lab has no %s", name)
	}
	return node, nil
}

// Of renew and warm.
const (
	renewWithin = 45 * time.Second
	warmFor     = 700 * time.Millisecond // per workload
	warmRate    = 400.0                  // requests per second and arm
)

// renew starts every arm's process anew, all at the same time, and warms them up.
// How a process lies in memory, and how its collector got into step, stays with
// it for as long as it lives, and no number of rounds would average that away.
func (g *gating) renew(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	for i := range g.arms {
		group.Go(func() error {
			if err := g.renewArm(gctx, i); err != nil {
				return fmt.Errorf("start %s anew: %w", g.arms[i], err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return g.warm(ctx)
}

// warm sends what fills caches and connections, to all arms at the same time.
func (g *gating) warm(ctx context.Context) error {
	for i := range g.stages {
		group, gctx := errgroup.WithContext(ctx)
		for arm := range g.arms {
			a := g.aim(&g.stages[i], load.Open, 0, arm)
			// Nothing is measured, and only probes may run side by side.
			a.Model, a.Rate, a.Warmup, a.Duration = load.Probes, min(a.Rate, warmRate), 0, warmFor
			group.Go(func() error {
				if _, err := g.worker.Run(gctx, a, nil); err != nil {
					return fmt.Errorf("warm up %s: %w", g.arms[arm], err)
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

func (g *gating) renewArm(ctx context.Context, arm int) error {
	node, err := g.arm(arm)
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
	if err := lab.WaitReady(ctx, node); err != nil {
		return err
	}
	return g.agree(ctx, []lab.Node{node})
}
