package fault

import (
	"context"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// KindCPU leaves a node a fraction of a core.
const KindCPU = "cpu"

// leftCores is what is left by default: a twentieth of a core serves some hundred
// requests per second.
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
