// Package contest compares gateways: each is an arm of one lab, configured for the same policy, checked for parity, and measured in turns
// with the others.
package contest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Options say what to compare.
type Options struct {
	session.Config
	Set     *policy.Set   // with the profile and the policies chosen
	Systems []*sut.System // the first one is the reference
	// Rate is that of every policy's open loop, in requests per second, and Connections the number of connections; 0: as the policies say,
	// and with an arm outside the lab no more than its bounds.
	Rate        float64
	Connections int
	// Referee makes a gate of the comparison: every policy is measured in every round, until it has seen enough. nil: a matrix.
	Referee Referee
}

// ceilingConnections are those of the attack on the null server.
const ceilingConnections = 64

// contest is a comparison under way.
type contest struct {
	*Options
	matrix *result.Matrix
	broken map[string]string // arms that cannot be had at all, and why
	doing  func(format string, args ...any)
}

// arm is a system under the policy at hand.
type arm struct {
	sut.Arm
	cell *result.MatrixCell
	runs []round
	lost error // why it cannot be measured any more; nil: it can
}

// Run measures the matrix and writes the report. An arm that cannot be had costs its column, one that misbehaves its cell.
func Run(ctx context.Context, o Options) (*session.Outcome, error) {
	if len(o.Systems) < 2 {
		return nil, errors.New("compare: want two gateways or more")
	}
	if err := session.Check(o.Config); err != nil { // before minutes of building
		return nil, err
	}
	o.Set = bounded(&o)
	told := newNarrator(o.Observer)
	o.Observer = told
	telling, cancel := context.WithCancel(ctx)
	var telledAll sync.WaitGroup
	telledAll.Go(func() { told.run(telling) })
	defer telledAll.Wait()
	defer cancel()
	c := &contest{
		Options: &o, doing: told.doing, broken: map[string]string{},
		matrix: &result.Matrix{Reference: o.Systems[0].Name, NotMeasured: o.Set.Left},
	}
	for _, s := range o.Systems {
		c.matrix.Arms = append(c.matrix.Arms, result.MatrixArm{Name: s.Name, About: s.About, Tested: s.Tested})
	}
	binaries := map[string]string{lab.ProgramGateway: o.Gateway, lab.ProgramHarness: o.Harness}
	c.build(ctx, binaries)
	told.doing("starting the lab")
	plan := session.Plan{
		Name: o.Set.Name, Topology: c.topology(), Binaries: binaries, Seed: o.Set.Seed, CeilingConnections: ceilingConnections,
	}
	if o.Referee != nil {
		plan.Name = "gate"
		return session.Run(ctx, o.Config, plan, session.Program{
			Measure: func(ctx context.Context, s *session.Session) error {
				if err := c.interleaved(ctx, s); !errors.Is(err, errExcluded) {
					return err
				}
				return nil
			},
			Complete: func(s *session.Session) error {
				s.Result.Matrix = c.matrix
				return o.Referee.Complete(s)
			},
			Tell: o.Referee.Tell,
		})
	}
	return session.Run(ctx, o.Config, plan, session.Program{
		Measure: c.measure,
		Complete: func(s *session.Session) error {
			if len(c.matrix.Rows) == 0 {
				return errors.New("no policy was measured")
			}
			s.Result.Matrix = c.matrix
			s.Result.InvalidReasons = append(s.Result.InvalidReasons, withoutFigures(c.matrix)...)
			return nil
		},
	})
}

// topology is the lab without its arms.
func (c *contest) topology() topology.Topology {
	t := topology.Topology{Roles: []string{topology.RoleOrigin}, Origin: c.Set.Origin, Workers: c.Workers}
	for _, role := range []string{topology.RolePostgres, topology.RoleRedis} {
		if slices.ContainsFunc(c.Systems, func(s *sut.System) bool { return slices.Contains(s.Needs, role) }) {
			t.Roles = append(t.Roles, role)
		}
	}
	t.Roles = append(t.Roles, topology.RoleWorker)
	t.Worker = append(t.Worker, "--allow-target="+topology.RoleOrigin) // its null server is the ceiling
	for _, s := range c.Systems {
		host := s.Name
		if s.Address != "" {
			host = s.Address
		}
		t.Worker = append(t.Worker, "--allow-target="+host)
	}
	return t
}

// reachable refuses addresses on this machine's loopback where the load generator is in a container, which has a loopback of its own.
func reachable(runtime string, systems []*sut.System) error {
	if runtime == session.RuntimeHost {
		return nil
	}
	for _, s := range systems {
		host, _, err := net.SplitHostPort(s.Address)
		if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip != nil && ip.IsLoopback()) {
			return fmt.Errorf("--target %s=%s: the load generator is in a container, which does not reach this machine's loopback: "+
				"use --runtime host", s.Name, s.Address)
		}
	}
	return nil
}

// measure fills the matrix row by row.
func (c *contest) measure(ctx context.Context, s *session.Session) error {
	if err := reachable(s.RuntimeName, c.Systems); err != nil {
		return err
	}
	for i := range c.Set.Policies {
		p := &c.Set.Policies[i]
		if err := c.row(ctx, s, p); err != nil {
			return fmt.Errorf("policy %s: %w", p.Name, err)
		}
	}
	c.versions(s.Lab.Info(ctx)) // the runtime knows them since the arms ran
	return nil
}

// newRow is a policy's row without figures.
func (c *contest) newRow(p *policy.Policy) result.MatrixRow {
	rate := c.Set.Load.Rate
	if p.Rate > 0 {
		rate = p.Rate
	}
	row := result.MatrixRow{Policy: p.Name, Summary: p.Summary, Published: p.Published, OfferedQPS: rate}
	for _, system := range c.Systems {
		row.Cells = append(row.Cells, result.MatrixCell{Arm: system.Name})
	}
	return row
}

// row configures all arms for a policy, checks them, and measures those that behave.
func (c *contest) row(ctx context.Context, s *session.Session, p *policy.Policy) error {
	defer s.Stage(p.Name)()
	began := time.Now()
	row, took := c.newRow(p), &phases{}
	started := took.begin(result.PhaseStart)
	if err := c.clear(ctx, s); err != nil {
		return err
	}
	var origins []string
	if p.Origins != nil {
		var err error
		if origins, err = c.spares(ctx, s, p); err != nil {
			return err
		}
	}
	var all, arms []*arm
	for i, system := range c.Systems {
		all = append(all, &arm{cell: &row.Cells[i], Arm: sut.Arm{
			System: system, Policy: p, Layout: s.Lab.Layout(), Origin: s.Lab.Addr(topology.RoleOrigin, topology.PortOrigin), Cores: cores(),
			Origins: origins,
		}})
	}
	if err := c.raise(ctx, s, all); err != nil {
		return err
	}
	for _, a := range all {
		if a.cell.Outcome == "" {
			arms = append(arms, a)
		}
	}
	started()
	attested := took.begin(result.PhaseParity)
	arms, err := c.attest(ctx, s, p, arms)
	if err != nil {
		return err
	}
	attested()
	if len(arms) > 0 {
		if err := c.take(ctx, s, p, took, row.OfferedQPS, arms); err != nil {
			return err
		}
	}
	took.tell(&row)
	c.matrix.Rows = append(c.matrix.Rows, row)
	s.Step("%s: %s (%.0f s)", p.Name, line(&row), time.Since(began).Seconds())
	return nil
}

// take measures the arms of a row, in rounds or in what its policy asks for instead.
func (c *contest) take(ctx context.Context, s *session.Session, p *policy.Policy, took *phases, rate float64, arms []*arm) error {
	if p.Trial() {
		defer took.begin(result.PhaseTrial)()
		return c.trials(ctx, s, p, rate, arms)
	}
	if err := c.rounds(ctx, s, p, took, rate, arms); err != nil {
		return err
	}
	c.conclude(arms)
	return nil
}
