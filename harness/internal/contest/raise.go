package contest

import (
	"context"
	"errors"
	"time"

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

// raise starts an arm, and configures it. What goes wrong with the arm is its cell's outcome; an error is the lab's.
func (c *contest) raise(ctx context.Context, s *session.Session, a *arm) error {
	name := a.System.Name
	if why := c.broken[name]; why != "" {
		a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{why}
		return nil
	}
	if why := a.System.Lacks(a.Policy); why != "" {
		a.cell.Outcome, a.cell.Reasons = result.CellLacks, []string{why}
		return nil
	}
	fail := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{session.OneLine(err)}
		s.Step("%s, %s: %v", a.Policy.Name, name, err)
		return c.drop(ctx, s, a.Policy.Name, name)
	}
	if a.System.Address != "" {
		if err := sut.Reachable(ctx, a.System.Address, a.System.ReadyPath); err != nil {
			return fail(err)
		}
		return nil
	}
	c.doing("%s: starting and configuring %s", a.Policy.Name, name)
	spec, err := a.Node()
	if err != nil {
		return fail(err)
	}
	spec.CPUs = float64(a.Threads()) // the same limit for all, where the runtime has limits
	if err := havable(s, spec); err != nil {
		c.broken[name] = err.Error()
		return fail(err)
	}
	if err := s.Lab.Prepare(ctx, spec); err != nil {
		c.broken[name] = session.OneLine(err) // it will not be there for the next policy either
		return fail(err)
	}
	began := time.Now()
	if _, err := s.Lab.Replace(ctx, spec); err != nil {
		return fail(err)
	}
	if a.System.Configure != nil {
		if err := a.System.Configure(ctx, s.Lab, &a.Arm); err != nil {
			return fail(err)
		}
	}
	if len(a.Policy.Routes) > 0 {
		a.cell.Put(result.FigureStart, float64(time.Since(began).Microseconds())/1e3)
	}
	return nil
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
