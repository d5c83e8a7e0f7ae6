package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// foreign is a container that no lab made. It may be in several networks, and it keeps its own limits.
type foreign struct {
	*node
	networks map[string]*network.EndpointSettings // by network: how the container is connected to it
	limits   container.Resources                  // as it was made
	removed  bool                                 // the engine removes the container when it ends (--rm)
}

var (
	_ lab.Node     = (*foreign)(nil)
	_ lab.Squeezer = (*foreign)(nil)
)

// Container is a running container of this machine's engine that no lab made, by its name or id, as a node that faults can break and
// mend. The error matches lab.ErrUnavailable if no engine answers.
func Container(ctx context.Context, name string) (lab.Node, error) {
	r, err := New(ctx, Config{})
	if err != nil {
		return nil, err
	}
	res, err := r.api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("there is no container %q: `docker ps` lists those that run", name)
	}
	if err != nil {
		return nil, fmt.Errorf("inspect container %s: %w", name, err)
	}
	c := res.Container
	n := &node{runtime: r, name: strings.TrimPrefix(c.Name, "/"), role: "container", id: c.ID, ports: map[int]int{}, network: &labNetwork{}}
	f := &foreign{node: n, networks: map[string]*network.EndpointSettings{}}
	if h := c.HostConfig; h != nil {
		f.limits, f.removed = h.Resources, h.AutoRemove
	}
	if s := c.NetworkSettings; s != nil {
		for name, e := range s.Networks {
			if e != nil && name != network.NetworkHost && name != network.NetworkNone {
				f.networks[name] = again(e, c.ID)
			}
		}
	}
	return f, nil
}

// again is how to connect a container to a network as it is connected now: with the same names, and with the address if it was chosen.
// The engine adds the short id to the aliases itself.
func again(e *network.EndpointSettings, id string) *network.EndpointSettings {
	return &network.EndpointSettings{
		NetworkID: e.NetworkID, Links: e.Links, DriverOpts: e.DriverOpts, IPAMConfig: e.IPAMConfig,
		Aliases: slices.DeleteFunc(slices.Clone(e.Aliases), func(a string) bool { return strings.HasPrefix(id, a) }),
	}
}

// HostAddr is empty: what the container publishes is its own affair.
func (f *foreign) HostAddr(int) string { return "" }

// Addr has the container's own name.
func (f *foreign) Addr(port int) string { return net.JoinHostPort(f.name, fmt.Sprint(port)) }

func (f *foreign) Kill(ctx context.Context) error {
	if f.removed {
		return f.wouldBeGone()
	}
	return f.node.Kill(ctx)
}

func (f *foreign) Stop(ctx context.Context, grace time.Duration) error {
	if f.removed {
		return f.wouldBeGone()
	}
	return f.node.Stop(ctx, grace)
}

// wouldBeGone is why a container is not ended.
func (f *foreign) wouldBeGone() error {
	return fmt.Errorf("container %s was started with --rm: it would be removed, and could not be started again", f.name)
}

// Healthy says whether the container's own health check passes; a container without one is healthy. why is the check's status.
func (f *foreign) Healthy(ctx context.Context) (healthy bool, why string, err error) {
	c, err := f.inspect(ctx)
	if err != nil {
		return false, "", f.explain("inspect", err)
	}
	if c.State == nil || c.State.Health == nil {
		return true, "", nil
	}
	status := c.State.Health.Status
	return status == container.Healthy || status == container.NoHealthcheck, "its health check says " + string(status), nil
}

func (f *foreign) CutOff(ctx context.Context) error {
	if len(f.networks) == 0 {
		return fmt.Errorf("cut off %s: it is in no network of the engine that it could be disconnected from", f.name)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.networks)) {
		_, err := f.runtime.api.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: f.id, Force: true})
		errs = append(errs, f.explain("cut off", err))
	}
	return errors.Join(errs...)
}

// Reconnect connects the container with the networks that it is not in any more.
func (f *foreign) Reconnect(ctx context.Context) error {
	c, err := f.inspect(ctx)
	if err != nil {
		return f.explain("inspect", err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.networks)) {
		if c.NetworkSettings != nil && c.NetworkSettings.Networks[name] != nil {
			continue
		}
		_, err := f.runtime.api.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: f.id, EndpointConfig: f.networks[name]})
		errs = append(errs, f.explain("reconnect", err))
	}
	return errors.Join(errs...)
}

// State has Connected if the container is in all networks that it was in.
func (f *foreign) State(ctx context.Context) (lab.State, error) {
	s, err := f.node.State(ctx)
	if err != nil {
		return s, err
	}
	c, err := f.inspect(ctx)
	if err != nil {
		return s, f.explain("inspect", err)
	}
	s.Connected = true
	for name := range f.networks {
		s.Connected = s.Connected && c.NetworkSettings != nil && c.NetworkSettings.Networks[name] != nil
	}
	return s, nil
}

// SqueezeCPU changes the limit in the terms in which it was given: the engine refuses the others.
func (f *foreign) SqueezeCPU(ctx context.Context, cores float64) error {
	if f.limits.NanoCPUs == 0 {
		return f.node.SqueezeCPU(ctx, cores)
	}
	if cores <= 0 {
		return fmt.Errorf("squeeze the CPU of %s: %v cores are not allowed: want above 0", f.name, cores)
	}
	return f.explain("squeeze the CPU of", f.update(ctx, container.Resources{NanoCPUs: max(1e7, int64(cores*1e9))}))
}

// Release sets the limits that the container had.
func (f *foreign) Release(ctx context.Context) error {
	cpu := container.Resources{NanoCPUs: f.limits.NanoCPUs}
	if cpu.NanoCPUs == 0 {
		cpu = container.Resources{CPUPeriod: f.limits.CPUPeriod, CPUQuota: f.limits.CPUQuota}
		if cpu.CPUPeriod == 0 {
			cpu.CPUPeriod = cpuPeriod
		}
		if cpu.CPUQuota == 0 {
			cpu.CPUQuota = -1
		}
	}
	memory := container.Resources{Memory: f.limits.Memory, MemorySwap: f.limits.MemorySwap}
	if memory.Memory == 0 {
		memory = container.Resources{Memory: roomy, MemorySwap: roomy}
	}
	return f.explain("release", errors.Join(f.update(ctx, cpu), f.update(ctx, memory)))
}
