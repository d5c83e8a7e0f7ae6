package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Attach finds the nodes of a lab that a run with Keep has left, in order of
// their names; the configuration's RunID chooses one where there are several.
// They can be broken and repaired, and stay when this process ends. The error is
// lab.ErrNotUp if there is no such lab.
func (r *Runtime) Attach(ctx context.Context) ([]lab.Node, error) {
	filter := make(client.Filters).Add("label", labelKeep+"=true").Add("label", labelNode)
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var nodes []lab.Node
	for _, item := range list.Items {
		if r.only != "" && item.Labels[labelLab] != r.only {
			continue
		}
		n, err := r.attach(ctx, item)
		if err != nil {
			return nil, fmt.Errorf("attach %s: %w", item.Labels[labelNode], err)
		}
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 {
		return nil, lab.ErrNotUp
	}
	slices.SortFunc(nodes, func(a, b lab.Node) int { return strings.Compare(a.Name(), b.Name()) })
	return nodes, nil
}

// attach makes a node of a container that another process made. A node that is
// disconnected just now has no network to be found by: it is looked up by name.
func (r *Runtime) attach(ctx context.Context, item container.Summary) (*node, error) {
	res, err := r.api.ContainerInspect(ctx, item.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	name := item.Labels[labelNode]
	role, _, _ := strings.Cut(name, "-")
	n := &node{runtime: r, name: name, role: role, id: item.ID, ports: map[int]int{},
		network: &labNetwork{name: "gatelab-" + item.Labels[labelLab]}}
	found, err := r.api.NetworkInspect(ctx, n.network.name, client.NetworkInspectOptions{})
	if err != nil {
		return nil, err
	}
	n.network.id = found.Network.ID
	if s := res.Container.NetworkSettings; s != nil {
		if e := s.Networks[n.network.name]; e != nil && e.IPAMConfig != nil {
			n.address = e.IPAMConfig.IPv4Address
		}
	}
	if h := res.Container.HostConfig; h != nil {
		if h.CPUPeriod > 0 && h.CPUQuota > 0 {
			n.cpus = float64(h.CPUQuota) / float64(h.CPUPeriod)
		}
		n.memory = h.Memory
		for port, bindings := range h.PortBindings {
			for _, b := range bindings {
				var host int
				if _, err := fmt.Sscan(b.HostPort, &host); err == nil {
					n.ports[int(port.Num())] = host
				}
			}
		}
	}
	return n, nil
}
