package fault

import (
	"context"
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// realLab is a running lab as faults see it.
type realLab struct{ *lab.Lab }

var _ Lab = realLab{}

// NewLab lets faults break a running lab.
func NewLab(l *lab.Lab) Lab { return realLab{l} }

// Renew removes the node and starts it again from the same spec.
func (l realLab) Renew(ctx context.Context, name string) error {
	s, ok := l.Spec(name)
	if !ok {
		return fmt.Errorf("renew %s: no such node", name)
	}
	_, err := l.Replace(ctx, s)
	return err
}

// Settled asks every balancer until the replica itself has answered.
func (l realLab) Settled(ctx context.Context, name string) error {
	return Settled(ctx, l.Nodes(topology.RoleBalancer), name)
}
