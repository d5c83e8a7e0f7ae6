package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// layout says what is inside an image, and so how its program is started.
type layout int

const (
	layoutOfficial layout = iota // the program's own image, with its entry point
	layoutDebian                 // Debian packages, no entry point
	layoutScratch                // one static binary
)

// image is where a program comes from.
type image struct {
	ref      string
	layout   layout
	id       string
	versions string // of the packages inside, where known
	exposed  string // ports that the image says its program listens on; empty: it does not say
	program  string // path of the executable inside, of a server that a spec's Source names
}

func (i image) describe() string {
	s := i.ref
	if i.id != "" {
		s += " " + i.id
	}
	if i.versions != "" {
		s += " (" + i.versions + ")"
	}
	return s
}

// official are the images that are used where they are present or can be had.
func official() map[string]string {
	return map[string]string{
		lab.ProgramPostgres: "postgres:15-alpine",
		lab.ProgramRedis:    "redis:7-alpine",
		lab.ProgramNginx:    "nginx:alpine",
		lab.ProgramNode:     "node:20-alpine",

		lab.ProgramPrometheus:   "prom/prometheus:v2.53.4",
		lab.ProgramAlertmanager: "prom/alertmanager:v0.27.0",
		lab.ProgramGrafana:      "grafana/grafana:12.0.2",
	}
}

// Prepare sweeps, makes the network and makes sure of every image that the
// specs need: our own from their binaries; others official where present, else
// made from Debian packages where that was done before, else pulled, else made
// from Debian packages. An image once made from packages thus also remembers
// that no registry could be reached, and no later run waits for one.
func (r *Runtime) Prepare(ctx context.Context, specs []lab.Spec) error {
	removed, err := r.Sweep(ctx)
	if err != nil {
		return err
	}
	if len(removed) > 0 {
		r.progress("removed what a dead run left: %s", strings.Join(removed, ", "))
	}
	seen := map[string]bool{}
	for _, s := range specs {
		if seen[s.Program] {
			continue
		}
		seen[s.Program] = true
		if err := r.prepareImage(ctx, s); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.ensureNetwork(ctx)
	return err
}

// prepareImage makes sure of a node's image; an optional node may go without.
func (r *Runtime) prepareImage(ctx context.Context, s lab.Spec) error {
	if s.Optional && r.Lacks(s.Program) {
		return nil // told before
	}
	_, err := r.image(ctx, s)
	if err == nil || !s.Optional || ctx.Err() != nil {
		return err
	}
	r.mu.Lock()
	r.lacks[s.Program] = true
	r.mu.Unlock()
	r.progress("%s is left out: %s", s.Name, firstLine(err))
	return nil
}

// Lacks says whether Prepare found no image of a program of optional nodes.
func (r *Runtime) Lacks(program string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lacks[program]
}

// image resolves the image of a spec's program once.
func (r *Runtime) image(ctx context.Context, s lab.Spec) (image, error) {
	r.mu.Lock()
	img, ok := r.images[s.Program]
	r.mu.Unlock()
	if ok {
		return img, nil
	}
	img, err := r.resolve(ctx, s)
	if err != nil {
		name := s.Program
		if s.Source.EntryPoint {
			name = s.Name // a service of the user's: its program is a name of the lab's
		}
		return image{}, fmt.Errorf("image of %s: %w", name, err)
	}
	r.mu.Lock()
	r.images[s.Program] = img
	r.mu.Unlock()
	return img, nil
}

func (r *Runtime) resolve(ctx context.Context, s lab.Spec) (image, error) {
	if path := r.config.Binaries[s.Program]; path != "" {
		return r.binaryImage(ctx, s.Program, path)
	}
	if fromSource(s) {
		return r.resolveSource(ctx, s)
	}
	ref, known := official()[s.Program]
	if !known {
		return image{}, fmt.Errorf("no binary is given and no official image is known")
	}
	debian, _ := recipeOf(s.Program, "")
	return r.presentOrMade(ctx, ref, debian)
}

// present describes an image that the engine has; the error is
// errdefs.IsNotFound when it has not.
func (r *Runtime) present(ctx context.Context, ref string, l layout) (image, error) {
	res, err := r.api.ImageInspect(ctx, ref)
	if err != nil {
		return image{}, err
	}
	img := image{ref: ref, layout: l, id: res.ID}
	if len(res.RepoDigests) > 0 {
		img.id = res.RepoDigests[0]
	}
	if res.Config != nil {
		img.versions = res.Config.Labels[labelVersions]
		img.exposed = strings.Join(slices.Sorted(maps.Keys(res.Config.ExposedPorts)), " ")
	}
	return img, nil
}

// pull asks the registry first, with a short time-out, because the pull itself
// may rightly take minutes.
func (r *Runtime) pull(ctx context.Context, ref string) error {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := r.api.DistributionInspect(asking, ref, client.DistributionInspectOptions{}); err != nil {
		return fmt.Errorf("ask the registry for %s: %w", ref, err)
	}
	r.progress("pulling %s", ref)
	res, err := r.api.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err != nil {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	defer res.Close()
	if err := res.Wait(ctx); err != nil {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	return nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
