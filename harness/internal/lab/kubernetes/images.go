package kubernetes

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	core "k8s.io/api/core/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
)

// image is an image that the cluster's nodes have, or can pull.
type image struct {
	docker.Image
	name string // as the cluster knows it
	pull core.PullPolicy
}

// image makes sure of a spec's image once: it is made or fetched by the Docker engine of this machine, as for RUNTIME=docker, and then
// loaded into the nodes or pushed.
func (r *Runtime) image(ctx context.Context, s lab.Spec) (image, error) {
	r.imaging.Lock() // two nodes of one program need one image
	defer r.imaging.Unlock()
	r.mu.Lock()
	img, ok := r.images[s.Program]
	r.mu.Unlock()
	if ok {
		// The arguments are the spec's own.
		of, err := r.engine.ImageOf(ctx, s)
		img.Image = of
		return img, err
	}
	if r.engine == nil {
		engine, err := docker.New(ctx, lab.RuntimeConfig{Binaries: r.config.Binaries, Progress: r.config.Progress, RunID: r.config.RunID})
		if err != nil {
			return image{}, fmt.Errorf("the images of a lab of pods come from a Docker engine of this machine: %w", err)
		}
		r.engine = engine
	}
	of, err := r.engine.ImageOf(ctx, s)
	if err != nil {
		return image{}, err
	}
	img = image{Image: of, name: of.Ref, pull: core.PullNever}
	if r.to.Registry != "" {
		r.progress("pushing %s to %s", of.Ref, r.to.Registry)
		img.name, err = r.engine.Push(ctx, of.Ref, r.to.Registry)
		img.pull = core.PullIfNotPresent
	} else {
		err = r.load(ctx, of.Ref)
	}
	if err != nil {
		return image{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.images[s.Program] = img
	return img, nil
}

// load puts an image into the store of every node that does not have it.
func (r *Runtime) load(ctx context.Context, ref string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range slices.Sorted(maps.Keys(r.cluster.placement.Sockets)) {
		group.Go(func() error {
			if err := r.loadInto(ctx, r.cluster.placement.Sockets[node], ref); err != nil {
				return fmt.Errorf("load %s into node %s: %w", ref, node, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *Runtime) loadInto(ctx context.Context, socket, ref string) error {
	have, err := ctr(ctx, socket, nil, "images", "list", "-q")
	if err != nil {
		return err
	}
	if slices.Contains(strings.Fields(have), fullName(ref)) {
		return nil
	}
	archive, err := r.engine.Archive(ctx, ref)
	if err != nil {
		return err
	}
	defer archive.Close()
	r.progress("loading %s into the cluster", ref)
	_, err = ctr(ctx, socket, archive, "images", "import", "-")
	return err
}

// ctr runs containerd's client in the namespace of Kubernetes.
func ctr(ctx context.Context, socket string, in io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "ctr", append([]string{"-a", socket, "-n", "k8s.io"}, args...)...) //nolint:gosec // our arguments
	cmd.Stdin = in
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", args[1], err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}

// fullName is a reference as containerd knows it: with the registry and the folder that are left out.
func fullName(ref string) string {
	first, _, path := strings.Cut(ref, "/")
	switch {
	case !path:
		return "docker.io/library/" + ref
	case strings.ContainsAny(first, ".:") || first == "localhost":
		return ref
	}
	return "docker.io/" + ref
}
