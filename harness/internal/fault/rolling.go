package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatelab/harness/internal/lab"
)

// rolling ends and starts every node of a role, one after the other, each when
// the one before is sent requests again: what a deployment does.
type rolling struct {
	base
	lab   Lab
	nodes []lab.Node
	renew bool
	seen  int // nodes that were seen to end and to come back
}

func makeRolling(s Spec, l Lab) (Fault, error) {
	nodes := l.Nodes(s.Target)
	if len(nodes) == 0 {
		return nil, fmt.Errorf("fault %s: the lab has no node of the role %q", s.Kind, s.Target)
	}
	return &rolling{base: base{s.Kind, s.Target}, lab: l, nodes: nodes, renew: s.Kind == KindRollingUpgrade}, nil
}

// EffectWithin is for all nodes together.
func (f *rolling) EffectWithin() time.Duration { return time.Duration(len(f.nodes)) * 45 * time.Second }

func (f *rolling) Inject(ctx context.Context) error {
	for _, n := range f.nodes {
		if err := f.one(ctx, n); err != nil {
			return fmt.Errorf("%s: %w", n.Name(), err)
		}
		f.seen++
	}
	return nil
}

func (f *rolling) one(ctx context.Context, n lab.Node) error {
	if err := n.Stop(ctx, drainWithin); err != nil {
		return err
	}
	if err := until(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		s, err := n.State(ctx)
		return err == nil && !s.Running, "it still runs", err
	}); err != nil {
		return err
	}
	again := n.Start
	if f.renew {
		again = func(ctx context.Context) error { return f.lab.Renew(ctx, n.Name()) }
	}
	if err := again(ctx); err != nil {
		return err
	}
	if err := f.lab.Ready(ctx, n.Name()); err != nil {
		return err
	}
	return f.lab.Settled(ctx, n.Name())
}

func (f *rolling) Effect(context.Context) error {
	if f.seen < len(f.nodes) {
		return fmt.Errorf("%d of %d nodes went and came back", f.seen, len(f.nodes))
	}
	return nil
}

// Recover starts what an interrupted run left stopped.
func (f *rolling) Recover(ctx context.Context) error {
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

func (f *rolling) Recovered(ctx context.Context) error {
	for _, n := range f.nodes {
		if err := f.lab.Ready(ctx, n.Name()); err != nil {
			return err
		}
	}
	return nil
}
