package topology

import (
	"context"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Apply brings a lab to a topology. The error of a wrong topology names its field.
func Apply(ctx context.Context, l *lab.Lab, t Topology) error {
	specs, err := t.Specs(l.Layout())
	if err != nil {
		return err
	}
	return l.Apply(ctx, specs)
}

// Start brings a topology up, and waits until every node is ready. On an error it has removed everything that it made.
func Start(ctx context.Context, rt lab.Runtime, t Topology, o lab.Options) (*lab.Lab, error) {
	specs, err := t.Specs(o.Layout)
	if err != nil {
		return nil, err
	}
	return lab.Start(ctx, rt, specs, o)
}
