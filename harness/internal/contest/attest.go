package contest

import (
	"context"
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/parity"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// attest asks every arm the policy's probes, and keeps those that behave alike. The first that behaves as the policy says is whom the
// others are compared with.
func (c *contest) attest(ctx context.Context, s *session.Session, p *policy.Policy, arms []*arm) ([]*arm, error) {
	origin, ok := s.Lab.Node(topology.RoleOrigin)
	if !ok {
		return nil, fmt.Errorf("the lab has no %s", topology.RoleOrigin)
	}
	var spares []string
	if p.Origins != nil {
		for _, name := range sparesOf(p) {
			if n, there := s.Lab.Node(name); there {
				spares = append(spares, "http://"+n.HostAddr(topology.PortOrigin))
			}
		}
	}
	var (
		kept      []*arm
		reference *parity.Answers
	)
	for _, a := range arms {
		proxy, err := a.proxy(s)
		if err != nil {
			return nil, err
		}
		c.doing("%s: asking %s the probes", p.Name, a.System.Name)
		certificate, err := sut.LabCertificate()
		if err != nil {
			return nil, err
		}
		answers, err := parity.Ask(ctx, parity.Arm{
			Name: a.System.Name, Proxy: proxy, Origin: "http://" + origin.HostAddr(topology.PortOrigin), Pace: a.pace(c.Set.Load.Rate),
			Roots: string(certificate.Public), ServerName: sut.ServerName, Origins: spares,
		}, p)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var differences []string
		switch {
		case err != nil:
			differences = []string{session.OneLine(err)}
		case len(answers.Failures) > 0:
			differences = answers.Failures
		case reference != nil:
			differences = parity.Differences(p, reference, answers)
		default:
			reference = answers
		}
		if len(differences) == 0 && len(p.Changes) > 0 {
			if wrong := takesChanges(ctx, newWatch(proxy+p.Traffic[0].Sample()), a.change(s), effectWithin); wrong != "" {
				differences = []string{wrong}
			}
		}
		if len(differences) > 0 {
			a.cell.Outcome, a.cell.Reasons = result.CellExcluded, differences
			s.Step("%s, %s: excluded: %s", p.Name, a.System.Name, differences[0])
			if err := c.drop(ctx, s, p.Name, a.System.Name); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, a)
	}
	return kept, nil
}
