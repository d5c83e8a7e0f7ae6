package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// Sweep removes the containers and networks of runs whose process is dead. It
// leaves what a living run owns, and what was made with Keep.
func (r *Runtime) Sweep(ctx context.Context) ([]string, error) {
	removed, err := r.removeLabelled(ctx, func(labels map[string]string) bool {
		return labels[labelKeep] != "true" && labels[labelLab] != r.config.RunID &&
			r.owner.dead(labels, processStart)
	})
	if err != nil {
		return removed, fmt.Errorf("sweep: %w", err)
	}
	return removed, nil
}

// Down removes what runs with Keep have left, or only the run that the
// configuration's RunID names, and returns the names of what it removed.
func (r *Runtime) Down(ctx context.Context) ([]string, error) {
	removed, err := r.removeLabelled(ctx, func(labels map[string]string) bool {
		return labels[labelKeep] == "true" && (r.only == "" || labels[labelLab] == r.only)
	})
	if err != nil {
		return removed, fmt.Errorf("down: %w", err)
	}
	return removed, nil
}

// removeLabelled removes every container, then every network, with a lab label
// that match accepts. It continues after an error and returns all of them.
func (r *Runtime) removeLabelled(ctx context.Context, match func(map[string]string) bool) ([]string, error) {
	filter := make(client.Filters).Add("label", labelLab)
	list, err := r.api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	items := slices.DeleteFunc(list.Items, func(c container.Summary) bool { return !match(c.Labels) })
	names := make([]string, len(items))
	errs := make([]error, len(items))
	var group errgroup.Group
	for i, c := range items {
		names[i] = strings.TrimPrefix(strings.Join(c.Names, ","), "/")
		group.Go(func() error {
			errs[i] = r.removeContainer(ctx, c.ID)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs: one must not stop the others
	networks, err := r.removeNetworks(ctx, filter, match)
	return append(names, networks...), errors.Join(append(errs, err)...)
}

func (r *Runtime) removeNetworks(ctx context.Context, filter client.Filters, match func(map[string]string) bool) ([]string, error) {
	list, err := r.api.NetworkList(ctx, client.NetworkListOptions{Filters: filter})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var names []string
	var errs []error
	for _, n := range list.Items {
		if !match(n.Labels) {
			continue
		}
		_, err := r.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		if err != nil && r.heldByNobody(ctx, n.ID, err) {
			r.progress("network %s stays until the engine restarts: %v", n.Name, err)
			continue
		}
		names = append(names, n.Name)
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("remove network %s: %w", n.Name, err))
		}
	}
	return names, errors.Join(errs...)
}

// heldByNobody says whether a network cannot be removed although no container is on it. Under load an engine may go on counting the
// endpoint of a container that is gone, until it restarts; without this no lab could start as long.
func (r *Runtime) heldByNobody(ctx context.Context, id string, err error) bool {
	if !strings.Contains(err.Error(), "active endpoints") {
		return false
	}
	res, err := r.api.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	return err == nil && len(res.Network.Containers) == 0
}

// removeContainer kills and removes in one call, with its volumes; that what is
// gone already is no error. testcontainers' Terminate would first wait ten
// seconds for a polite stop.
func (r *Runtime) removeContainer(ctx context.Context, id string) error {
	_, err := r.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	if errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		return nil // another sweep is at it
	}
	return err
}
