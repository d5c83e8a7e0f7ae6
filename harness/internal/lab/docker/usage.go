package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Usage reads the node's cgroup, or asks the engine where that cannot be seen.
// It is cumulative over restarts of the node.
func (n *node) Usage(ctx context.Context) (lab.Usage, error) {
	now, running, err := n.fromKernel(ctx)
	if err != nil {
		now, running, err = n.fromEngine(ctx)
	}
	if err != nil {
		return lab.Usage{}, fmt.Errorf("usage of %s: %w", n.name, err)
	}
	if !running {
		return n.meter.Total(), nil
	}
	return n.meter.Add(now), nil
}

// fromEngine asks for one sample; it may take the engine a second.
func (n *node) fromEngine(ctx context.Context) (u lab.Usage, running bool, err error) {
	res, err := n.runtime.api.ContainerStats(ctx, n.id, client.ContainerStatsOptions{})
	if err != nil {
		return lab.Usage{}, false, err
	}
	defer res.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(res.Body).Decode(&stats); err != nil {
		return lab.Usage{}, false, err
	}
	return usage(&stats), stats.CPUStats.CPUUsage.TotalUsage != 0, nil
}

// usage translates the engine's statistics. Page cache that the kernel may drop
// at will is taken off memory in use, as the engine's own client does.
func usage(s *container.StatsResponse) lab.Usage {
	cache, ok := s.MemoryStats.Stats["total_inactive_file"] // cgroup v1
	if !ok {
		cache = s.MemoryStats.Stats["inactive_file"] // cgroup v2
	}
	memory := s.MemoryStats.Usage
	if cache < memory {
		memory -= cache
	}
	return lab.Usage{
		CPUSeconds:       time.Duration(s.CPUStats.CPUUsage.TotalUsage).Seconds(),
		ThrottledSeconds: time.Duration(s.CPUStats.ThrottlingData.ThrottledTime).Seconds(),
		MemoryBytes:      memory,
		MemoryPeakBytes:  s.MemoryStats.MaxUsage, // cgroup v1 only
	}
}
