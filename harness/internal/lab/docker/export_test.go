package docker

import (
	"context"
	"strings"

	"github.com/moby/moby/client"
)

// Left are the containers and networks of a run that exist, by name.
func (r *Runtime) Left(ctx context.Context, runID string) ([]string, error) {
	filter := make(client.Filters).Add("label", labelLab+"="+runID)
	containers, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, err
	}
	var left []string
	for _, c := range containers.Items {
		left = append(left, strings.TrimPrefix(strings.Join(c.Names, ","), "/"))
	}
	networks, err := r.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	for _, n := range networks.Items {
		left = append(left, n.Name)
	}
	return left, err
}

// Volumes are the names of the volumes a node uses.
func (r *Runtime) Volumes(ctx context.Context, name string) ([]string, error) {
	r.mu.Lock()
	n := r.nodes[name]
	r.mu.Unlock()
	c, err := n.inspect(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range c.Mounts {
		names = append(names, m.Name)
	}
	return names, nil
}

// VolumeExists says whether the engine has a volume.
func (r *Runtime) VolumeExists(ctx context.Context, name string) bool {
	_, err := r.api.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
	return err == nil
}

// Limits are the user and the cores of a node's container.
func (r *Runtime) Limits(ctx context.Context, name string) (user string, cpus float64, err error) {
	r.mu.Lock()
	n := r.nodes[name]
	r.mu.Unlock()
	c, err := n.inspect(ctx)
	if err != nil {
		return "", 0, err
	}
	return c.Config.User, float64(c.HostConfig.CPUQuota) / float64(c.HostConfig.CPUPeriod), nil
}

// Image is the reference of a program's image.
func (r *Runtime) Image(program string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.images[program].ref
}
