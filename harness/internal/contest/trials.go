package contest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Of trials: what is measured once for each arm, one arm after the other, in place of rounds.
const (
	faultAfter       = 1500 * time.Millisecond // of load
	faultFor         = 4 * time.Second         // of load, after the fault
	faultConnections = 512
	slowBy           = 3000                   // ms, of a slow origin; far above any arm's time-out
	idleRest         = 500 * time.Millisecond // before memory is read
	idleAtATime      = 32                     // connections that are opened at the same time
	dialWithin       = 5 * time.Second
)

// trials measures what a policy asks for in place of rounds. An arm with which it fails is lost, and costs the others nothing.
func (c *contest) trials(ctx context.Context, s *session.Session, p *policy.Policy, rate float64, arms []*arm) error {
	m, err := c.measurer(s, p, rate)
	if err != nil {
		return err
	}
	err = m.inTurn(ctx, arms, func(a *arm) error {
		c.doing("%s: measuring %s", p.Name, a.System.Name)
		if err := m.warm(ctx, a); err != nil {
			return err
		}
		var err error
		switch {
		case len(p.Changes) > 0:
			var url string
			if url, err = a.proxy(s); err == nil {
				err = m.underChanges(ctx, a, s.Lab, url+p.Traffic[0].Sample())
			}
		case p.Fault != "":
			err = m.underFault(ctx, a)
		default:
			err = m.idle(ctx, a)
		}
		return err
	})
	concludeTrials(arms)
	return err
}

// concludeTrials says of each arm what came of it.
func concludeTrials(arms []*arm) {
	for _, a := range arms {
		a.cell.Outcome = result.CellMeasured
		if a.lost != nil {
			a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{session.OneLine(a.lost)}
		}
	}
}

// underFault measures an arm while one of its origins is killed, or slow.
func (m *measurer) underFault(ctx context.Context, a *arm) (err error) {
	name := sparesOf(m.policy)[0]
	node, ok := m.session.Lab.Node(name)
	if !ok {
		return fmt.Errorf("the lab has no %s", name)
	}
	var (
		group sync.WaitGroup
		sent  *load.Result
		lost  error
		broke time.Time
	)
	group.Go(func() {
		attack := m.attack(a, load.Open, 0, faultAfter+faultFor)
		attack.KeepRaw = true
		attack.Connections = max(attack.Connections, faultConnections) // requests that wait for an origin hold theirs
		sent, lost = m.session.Workers.Run(ctx, attack, nil)
	})
	err = session.Rest(ctx, faultAfter)
	if err == nil {
		broke = time.Now()
		err = inject(ctx, m.policy.Fault, node)
	}
	group.Wait()
	if err := errors.Join(err, lost, m.recover(ctx, node)); err != nil {
		return err
	}
	tellFault(a.cell, sent, broke, m.policy.Origins.Timeout)
	return nil
}

// inject breaks an origin.
func inject(ctx context.Context, fault string, node lab.Node) error {
	if fault == policy.FaultKill {
		return node.Kill(ctx)
	}
	what := map[string]any{"share": 1, "delay_ms": slowBy}
	if fault == policy.FaultSick {
		what = map[string]any{"share": 1, "status": http.StatusServiceUnavailable}
	}
	return illness(ctx, http.MethodPut, node, what)
}

// recover makes an origin well again.
func (m *measurer) recover(ctx context.Context, node lab.Node) error {
	if m.policy.Fault == policy.FaultKill {
		ctx, cancel := context.WithTimeout(ctx, restartWithin)
		defer cancel()
		return m.session.Lab.Restart(ctx, node.Name())
	}
	return illness(ctx, http.MethodDelete, node, nil)
}

func illness(ctx context.Context, method string, node lab.Node, what any) error {
	return jsonhttp.Send(ctx, method, "http://"+node.HostAddr(topology.PortOrigin)+"/illness", what, nil)
}

// sparesOf are the names of the origins behind a policy's balancing. The lab's first one is none of them: it is also the null server.
func sparesOf(p *policy.Policy) []string {
	var out []string
	for i := range p.Origins.Count {
		out = append(out, topology.NameOf(topology.RoleOrigin, i+2))
	}
	return out
}

// spares starts the origins behind a policy's balancing, those that do not run yet, and gives their addresses.
func (c *contest) spares(ctx context.Context, s *session.Session, p *policy.Policy) ([]string, error) {
	var out []string
	for i, name := range sparesOf(p) {
		if _, there := s.Lab.Node(name); !there {
			if _, err := s.Lab.Replace(ctx, topology.Origin(c.topology(), s.Lab.Layout(), i+2)); err != nil {
				return nil, err
			}
		}
		out = append(out, s.Lab.Addr(name, topology.PortOrigin))
	}
	return out, nil
}

// change is sut's, of an arm of this contest.
func (a *arm) change(s *session.Session) change {
	return func(ctx context.Context, n int) error { return a.Change(ctx, s.Lab, n) }
}
