package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// rollout stops and starts every node of a role, one after the other, each when
// the one before receives requests again, as a deployment does.
type rollout struct {
	base
	lab   Lab
	nodes []lab.Node
	renew bool
	done  int // nodes that stopped and came back
}

func makeRollout(s Spec, l Lab, renew bool) (Fault, error) {
	nodes := l.Nodes(s.Target)
	if len(nodes) == 0 {
		return nil, fmt.Errorf("fault %s: the lab has no node of the role %q: want one of %s", s.Kind, s.Target, strings.Join(roles(l), ", "))
	}
	if fixed, ok := l.(interface{ renewable() error }); ok && renew {
		if err := fixed.renewable(); err != nil { // before the first node is stopped
			return nil, fmt.Errorf("fault %s: %w", s.Kind, err)
		}
	}
	return &rollout{base: base{s.Kind, s.Target}, lab: l, nodes: nodes, renew: renew}, nil
}

// roles are the roles of a lab's nodes, in the nodes' order.
func roles(l Lab) (all []string) {
	for _, n := range l.Nodes("") {
		if !slices.Contains(all, n.Role()) {
			all = append(all, n.Role())
		}
	}
	return all
}

// EffectWithin is for all nodes together.
func (f *rollout) EffectWithin() time.Duration { return time.Duration(len(f.nodes)) * 45 * time.Second }

func (f *rollout) Inject(ctx context.Context) error {
	for _, n := range f.nodes {
		if err := f.restart(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", n.Name(), err)
		}
		f.done++
	}
	return nil
}

func (f *rollout) restart(ctx context.Context, n lab.Node) error {
	if err := n.Stop(ctx, drainTimeout); err != nil {
		return err
	}
	if err := until(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		s, err := n.State(ctx)
		return err == nil && !s.Running, "it still runs", err
	}); err != nil {
		return err
	}
	start := n.Start
	if f.renew {
		start = func(ctx context.Context) error { return f.lab.Renew(ctx, n.Name()) }
	}
	if err := start(ctx); err != nil {
		return err
	}
	if err := f.lab.Ready(ctx, n.Name()); err != nil {
		return err
	}
	return f.lab.Settled(ctx, n.Name())
}

func (f *rollout) Effect(context.Context) error {
	if f.done < len(f.nodes) {
		return fmt.Errorf("%d of %d nodes stopped and came back", f.done, len(f.nodes))
	}
	return nil
}

// Recover starts what an interrupted run left stopped.
func (f *rollout) Recover(ctx context.Context) error {
	var errs []error
	for _, old := range f.nodes {
		n, ok := f.lab.Node(old.Name()) // renewed, perhaps
		if !ok {
			errs = append(errs, f.lab.Renew(ctx, old.Name()))
			continue
		}
		if s, err := n.State(ctx); err == nil && s.Running {
			continue
		}
		errs = append(errs, n.Start(ctx))
	}
	return errors.Join(errs...)
}

func (f *rollout) Recovered(ctx context.Context) error {
	for _, n := range f.nodes {
		if err := f.lab.Ready(ctx, n.Name()); err != nil {
			return err
		}
	}
	return nil
}
