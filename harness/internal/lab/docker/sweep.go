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

// Down removes what runs with Keep have left, or only the run that c.RunID
// names, and returns the names of what it removed.
func Down(ctx context.Context, c Config) ([]string, error) {
	only := c.RunID
	r, err := New(ctx, c)
	if err != nil {
		return nil, err
	}
	removed, err := r.removeLabelled(ctx, func(labels map[string]string) bool {
		return labels[labelKeep] == "true" && (only == "" || labels[labelLab] == only)
	})
	if err != nil {
		return removed, fmt.Errorf("down: %w", err)
	}
	return removed, nil
}

// removeLabelled removes every container, then every network, with a lab label
// that match accepts. It goes on after an error and returns them joined.
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
		names = append(names, n.Name)
		if _, err := r.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("remove network %s: %w", n.Name, err))
		}
	}
	return names, errors.Join(errs...)
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
