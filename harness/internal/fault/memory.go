package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// KindMemory leaves a node less memory than it wants: the kernel kills it.
const KindMemory = "memory"

// memorySqueeze takes a node's memory until the kernel kills it.
type memorySqueeze struct {
	base
	node  lab.Node
	hold  lab.Squeezer
	ready func(context.Context) error
}

func makeMemory(s Spec, l Lab) (Fault, error) {
	n, q, err := squeezer(s, l)
	if err != nil {
		return nil, err
	}
	return &memorySqueeze{base: base{s.Kind, s.Target}, node: n, hold: q,
		ready: func(ctx context.Context) error { return l.Ready(ctx, s.Target) }}, nil
}

func (f *memorySqueeze) EffectWithin() time.Duration { return 20 * time.Second }

func (f *memorySqueeze) Inject(ctx context.Context) error { return f.tighten(ctx) }

// tighten sets the lowest limit that the kernel takes: cgroup v1 refuses one
// below what it cannot take back, cgroup v2 takes any and kills.
func (f *memorySqueeze) tighten(ctx context.Context) error {
	u, err := f.node.Usage(ctx)
	if err != nil {
		return err
	}
	const least = 6 << 20 // the engine refuses less
	for _, share := range []float64{0.5, 0.8, 0.9, 0.95, 1, 1.05, 1.2} {
		if err = f.hold.SqueezeMemory(ctx, max(least, int64(share*float64(u.MemoryBytes)))); err == nil {
			return nil
		}
	}
	return err
}

// Effect tightens further while the node lives: it may keep what it has, and is
// killed when it asks for more.
func (f *memorySqueeze) Effect(ctx context.Context) error {
	return until(ctx, 100*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		s, err := f.node.State(ctx)
		if err != nil {
			return false, "", err
		}
		if s.Running {
			// If this keeps failing there is no effect in the end.
			if terr := f.tighten(ctx); terr != nil {
				return false, "", terr
			}
			return false, "the node still runs", nil
		}
		killed, err := f.hold.OOMKilled(ctx)
		if err == nil && !killed && s.ExitCode != 137 {
			err = fmt.Errorf("it ended with exit code %d, and not for want of memory", s.ExitCode)
		}
		return err == nil, "", err
	})
}

func (f *memorySqueeze) Recover(ctx context.Context) error {
	err := f.hold.Release(ctx)
	if s, serr := f.node.State(ctx); serr == nil && s.Running {
		return err
	}
	return errors.Join(err, f.node.Start(ctx))
}

func (f *memorySqueeze) Recovered(ctx context.Context) error { return f.ready(ctx) }
