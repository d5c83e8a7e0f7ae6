package fault

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// nodeList is a lab that another process started, of which only the nodes are known.
type nodeList []lab.Node

var _ Lab = nodeList{}

// NewNodes lets faults break the nodes of a lab that another process started. What nodes are made of is unknown, so they cannot be renewed.
func NewNodes(nodes []lab.Node) Lab { return nodeList(nodes) }

// Node implements Lab.
func (l nodeList) Node(name string) (lab.Node, bool) {
	for _, n := range l {
		if n.Name() == name {
			return n, true
		}
	}
	return nil, false
}

// Nodes implements Lab.
func (l nodeList) Nodes(role string) []lab.Node {
	var out []lab.Node
	for _, n := range l {
		if role == "" || n.Role() == role {
			out = append(out, n)
		}
	}
	return out
}

// Ready implements Lab.
func (l nodeList) Ready(ctx context.Context, name string) error {
	n, ok := l.Node(name)
	if !ok {
		return fmt.Errorf("wait for %s: no such node", name)
	}
	return topology.ReadyByRole(ctx, n)
}

// Settled implements Lab.
func (l nodeList) Settled(ctx context.Context, name string) error {
	return Settled(ctx, l.Nodes(topology.RoleBalancer), name)
}

// Renew implements Lab: it is always an error.
func (l nodeList) Renew(_ context.Context, name string) error {
	return fmt.Errorf("renew %s: %w", name, errNotRenewable)
}

var errNotRenewable = errors.New("only a run of its own (make chaos FAULT=rolling-upgrade) knows what its nodes are made of; " +
	"rolling-restart works here")

// renewable is why nodes cannot be renewed.
func (l nodeList) renewable() error { return errNotRenewable }
