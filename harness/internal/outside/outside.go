// Package outside breaks what no lab started: a container of this machine's engine, or the connections to a TCP address of this machine.
package outside

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/internal/suggest"
)

// NewContainerFault makes a fault of any running container, by its name or id. A kind that needs more than a container, as those of links
// and of the simulated origin do, is an error that lists what is possible.
func NewContainerFault(ctx context.Context, s fault.Spec) (fault.Fault, error) {
	if !slices.Contains(fault.NodeKinds(), s.Kind) {
		hint := suggest.Hint(s.Kind, fault.NodeKinds())
		if slices.Contains(fault.LinkKinds(), s.Kind) {
			hint = " (--proxy HOST:PORT has faults of connections)"
		}
		return nil, fmt.Errorf("fault %q is not possible for any container%s: want %s", s.Kind, hint, strings.Join(fault.NodeKinds(), ", "))
	}
	n, err := docker.Container(ctx, s.Target)
	if err != nil {
		return nil, err
	}
	s.Target = n.Name()
	return fault.Make(s, single{fault.NewNodes([]lab.Node{n}), n})
}

// single is a lab of one container.
type single struct {
	fault.Lab
	node lab.Node
}

// Ready waits for the container's own health check, if it has one.
func (l single) Ready(ctx context.Context, _ string) error {
	checked, ok := l.node.(interface {
		Healthy(ctx context.Context) (bool, string, error)
	})
	if !ok {
		return nil
	}
	for {
		healthy, why, err := checked.Healthy(ctx)
		if err == nil && healthy {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), why)
		case <-time.After(healthInterval):
		}
	}
}

// healthInterval is the time between two looks at a health check, which engines make every few seconds.
const healthInterval = 100 * time.Millisecond
