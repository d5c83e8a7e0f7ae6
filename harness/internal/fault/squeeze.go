package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatelab/harness/internal/lab"
)

// squeezer is the node as one whose resources can be taken, or the reason why
// not.
func squeezer(s Spec, l Lab) (lab.Node, lab.Squeezer, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, nil, err
	}
	q, ok := n.(lab.Squeezer)
	if !ok {
		return nil, nil, fmt.Errorf("fault %s: this runtime cannot take resources from a running node: want runtime docker", s.Kind)
	}
	return n, q, nil
}

// leftCores is what the CPU squeeze leaves unless it is told otherwise: a
// twentieth of a core serves some hundred requests a second.
const leftCores = 0.05

// cpuSqueeze leaves a node a fraction of a core. Its effect is that the kernel
// holds the node back.
type cpuSqueeze struct {
	base
	node   lab.Node
	hold   lab.Squeezer
	cores  float64
	before float64 // seconds held back before
}

func makeCPU(s Spec, l Lab) (Fault, error) {
	n, q, err := squeezer(s, l)
	if err != nil {
		return nil, err
	}
	f := &cpuSqueeze{base: base{s.Kind, s.Target}, node: n, hold: q, cores: s.CPUs}
	if f.cores == 0 {
		f.cores = leftCores
	}
	return f, nil
}

func (f *cpuSqueeze) Setup(ctx context.Context) error {
	u, err := f.node.Usage(ctx)
	f.before = u.ThrottledSeconds
	return err
}

func (f *cpuSqueeze) Inject(ctx context.Context) error { return f.hold.SqueezeCPU(ctx, f.cores) }

func (f *cpuSqueeze) Effect(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		u, err := f.node.Usage(ctx)
		return err == nil && u.ThrottledSeconds > f.before+0.02, "the kernel has not held the node back", err
	})
}

func (f *cpuSqueeze) Recover(ctx context.Context) error { return f.hold.Release(ctx) }

// Recovered waits until the node is held back less than half of the time.
func (f *cpuSqueeze) Recovered(ctx context.Context) error {
	return until(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		a, err := f.node.Usage(ctx)
		if err != nil {
			return false, "", err
		}
		const look = 200 * time.Millisecond
		if err := sleep(ctx, look); err != nil {
			return false, "", err
		}
		b, err := f.node.Usage(ctx)
		return err == nil && b.ThrottledSeconds-a.ThrottledSeconds < look.Seconds()/2, "the kernel still holds the node back", err
	})
}

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

// Effect tightens further for as long as the node lives: what it has it may
// keep, what it asks for kills it.
func (f *memorySqueeze) Effect(ctx context.Context) error {
	return until(ctx, 100*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		s, err := f.node.State(ctx)
		if err != nil {
			return false, "", err
		}
		if s.Running {
			// A refusal shows in the end as no effect.
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
