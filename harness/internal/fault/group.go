package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// group is one kind of fault on several nodes at the same time, as when a region is lost.
type group struct {
	base
	faults []Fault // in the order in which they are recovered
}

// groupKinds can be done to several nodes at once: what they do to one does not depend on the others.
var groupKinds = []string{KindKill, KindStop, KindPause, KindCutOff}

func makeGroup(s Spec, l Lab, maker func(Spec, Lab) (Fault, error)) (Fault, error) {
	if !slices.Contains(groupKinds, s.Kind) {
		return nil, fmt.Errorf("fault %s on the nodes of %s is not allowed: want one of %v", s.Kind, s.Target, groupKinds)
	}
	g := &group{base: base{s.Kind, s.Target}}
	for _, name := range s.Nodes {
		one := s
		one.Target, one.Nodes = name, nil
		f, err := maker(one, l)
		if err != nil {
			return nil, err
		}
		g.faults = append(g.faults, f)
	}
	return g, nil
}

// EffectWithin is the longest time of one of them.
func (g *group) EffectWithin() time.Duration {
	var most time.Duration
	for _, f := range g.faults {
		if s, ok := f.(SlowFault); ok {
			most = max(most, s.EffectWithin())
		}
	}
	return most
}

// together calls a step of all faults at once.
func (g *group) together(ctx context.Context, step func(Fault, context.Context) error) error {
	var all errgroup.Group
	for _, f := range g.faults {
		all.Go(func() error {
			if err := step(f, ctx); err != nil {
				return fmt.Errorf("%s: %w", f.Target(), err)
			}
			return nil
		})
	}
	return all.Wait()
}

// Setup removes what it made where one of the faults cannot be set up.
func (g *group) Setup(ctx context.Context) error {
	for i, f := range g.faults {
		if err := f.Setup(ctx); err != nil {
			errs := []error{fmt.Errorf("%s: %w", f.Target(), err)}
			for _, done := range g.faults[:i] {
				errs = append(errs, Clean(ctx, done))
			}
			return errors.Join(errs...)
		}
	}
	return nil
}

func (g *group) Inject(ctx context.Context) error { return g.together(ctx, Fault.Inject) }
func (g *group) Effect(ctx context.Context) error { return g.together(ctx, Fault.Effect) }

// Recover brings the nodes back one after the other, each when those before it do their work again: a gateway does not start without its
// database. All are tried, also after an error.
func (g *group) Recover(ctx context.Context) error {
	var errs []error
	for _, f := range g.faults {
		err := f.Recover(ctx)
		if err == nil {
			err = f.Recovered(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Target(), err))
		}
	}
	return errors.Join(errs...)
}

func (g *group) Recovered(ctx context.Context) error { return g.together(ctx, Fault.Recovered) }

func (g *group) Cleanup(ctx context.Context) error {
	var errs []error
	for _, f := range g.faults {
		errs = append(errs, f.Cleanup(ctx))
	}
	return errors.Join(errs...)
}
