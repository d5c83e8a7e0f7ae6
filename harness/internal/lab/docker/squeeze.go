package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

var _ lab.Squeezer = (*node)(nil)

// SqueezeCPU changes the container's quota.
func (n *node) SqueezeCPU(ctx context.Context, cores float64) error {
	if cores <= 0 {
		return fmt.Errorf("squeeze the CPU of %s: %v cores are not allowed: want above 0", n.name, cores)
	}
	return n.explain("squeeze the CPU of", n.update(ctx, container.Resources{
		CPUPeriod: cpuPeriod, CPUQuota: max(1000, int64(cores*cpuPeriod)), // 1 ms is the kernel's least
	}))
}

// SqueezeMemory changes the container's memory limit. cgroup v1 refuses a limit
// below what is in use and cannot be taken back.
func (n *node) SqueezeMemory(ctx context.Context, bytes int64) error {
	return n.explain("squeeze the memory of", n.update(ctx, container.Resources{Memory: bytes, MemorySwap: bytes}))
}

// roomy stands for "no limit": the engine cannot take a limit away again, only
// change it.
const roomy = 1 << 40

// Release sets the limits that the node was made with.
func (n *node) Release(ctx context.Context) error {
	quota, memory := int64(-1), int64(roomy)
	if n.cpus > 0 {
		quota = max(1000, int64(n.cpus*cpuPeriod))
	}
	if n.memory > 0 {
		memory = n.memory
	}
	return n.explain("release", errors.Join(
		n.update(ctx, container.Resources{CPUPeriod: cpuPeriod, CPUQuota: quota}),
		n.update(ctx, container.Resources{Memory: memory, MemorySwap: memory})))
}

// OOMKilled is what the engine says of the container's last end.
func (n *node) OOMKilled(ctx context.Context) (bool, error) {
	c, err := n.inspect(ctx)
	if err != nil {
		return false, n.explain("inspect", err)
	}
	return c.State != nil && c.State.OOMKilled, nil
}

func (n *node) update(ctx context.Context, r container.Resources) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := n.runtime.api.ContainerUpdate(ctx, n.id, client.ContainerUpdateOptions{Resources: &r})
	return err
}
