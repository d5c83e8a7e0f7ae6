package contest

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// clear removes the arms of the policy before, and what they kept.
func (c *contest) clear(ctx context.Context, s *session.Session) error {
	for _, n := range s.Lab.Nodes(sut.RoleArm) {
		// The log is of the last row that it was in.
		if err := errors.Join(s.KeepLog(ctx, n, n.Name()), s.Lab.Drop(ctx, n.Name())); err != nil {
			return err
		}
	}
	return sut.Reset(ctx, s.Lab)
}

// drop removes an arm that is out of a row, and keeps its log.
func (c *contest) drop(ctx context.Context, s *session.Session, row, name string) error {
	n, there := s.Lab.Node(name)
	if !there {
		return nil
	}
	return errors.Join(s.KeepLog(ctx, n, name+"-"+row), s.Lab.Drop(ctx, name))
}

// raise starts all arms of a row, and configures them. What goes wrong with an arm is its cell's outcome; an error is the lab's. Arms
// start at the same time, unless the time that a start takes is a figure of the policy, or the arms are measured once: a master process
// that has just started may miss the signal of a first change.
func (c *contest) raise(ctx context.Context, s *session.Session, arms []*arm) error {
	type start struct {
		arm  *arm
		spec lab.Spec
	}
	var starts []start
	for _, a := range arms {
		spec, err := c.ready(ctx, s, a)
		if err != nil {
			return err
		}
		if spec != nil {
			starts = append(starts, start{arm: a, spec: *spec})
		}
	}
	atATime := len(starts)
	if p := arms[0].Policy; len(p.Routes) > 0 || p.Trial() {
		atATime = 1
	}
	var group errgroup.Group
	group.SetLimit(max(atATime, 1))
	for _, one := range starts {
		group.Go(func() error { return c.start(ctx, s, one.arm, one.spec) })
	}
	return group.Wait() //nolint:wrapcheck // they are our own
}

// ready prepares the start of an arm. nil: there is nothing to start, and the arm's cell may say why.
func (c *contest) ready(ctx context.Context, s *session.Session, a *arm) (*lab.Spec, error) {
	name := a.System.Name
	if why := c.broken[name]; why != "" {
		a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{why}
		return nil, nil
	}
	if why := a.System.Lacks(a.Policy); why != "" {
		a.cell.Outcome, a.cell.Reasons = result.CellLacks, []string{why}
		return nil, nil
	}
	if a.System.Address != "" {
		if err := sut.Reachable(ctx, a.System.Address, a.System.ReadyPath); err != nil {
			return nil, c.failed(ctx, s, a, err)
		}
		return nil, nil
	}
	spec, err := a.Node()
	if err != nil {
		return nil, c.failed(ctx, s, a, err)
	}
	spec.CPUs = float64(a.Threads()) // the same limit for all, where the runtime has limits
	if err := havable(s, spec); err != nil {
		c.broken[name] = err.Error()
		return nil, c.failed(ctx, s, a, err)
	}
	if err := s.Lab.Prepare(ctx, spec); err != nil {
		c.broken[name] = session.OneLine(err) // it will not be there for the next policy either
		return nil, c.failed(ctx, s, a, err)
	}
	return &spec, nil
}

// start starts an arm, and configures it.
func (c *contest) start(ctx context.Context, s *session.Session, a *arm, spec lab.Spec) error {
	c.doing("%s: starting and configuring %s", a.Policy.Name, a.System.Name)
	began := time.Now()
	if _, err := s.Lab.Replace(ctx, spec); err != nil {
		return c.failed(ctx, s, a, err)
	}
	if a.System.Configure != nil {
		if err := a.System.Configure(ctx, s.Lab, &a.Arm); err != nil {
			return c.failed(ctx, s, a, err)
		}
	}
	if len(a.Policy.Routes) > 0 {
		a.cell.Put(result.FigureStart, float64(time.Since(began).Microseconds())/1e3)
	}
	return nil
}

// failed makes an error the outcome of an arm's cell, and removes the arm.
func (c *contest) failed(ctx context.Context, s *session.Session, a *arm, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{session.OneLine(err)}
	s.Step("%s, %s: %v", a.Policy.Name, a.System.Name, err)
	return c.drop(ctx, s, a.Policy.Name, a.System.Name)
}

// cores are those that every arm may use: all but the first one, which is the generator's and the origin's, so that an arm and its load do
// not compete. On one core there is nothing to choose.
func cores() []int {
	var out []int
	for i := 1; i < readings.Cores(); i++ {
		out = append(out, i)
	}
	return out
}
