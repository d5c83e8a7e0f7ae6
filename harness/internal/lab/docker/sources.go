package docker

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// sourceRepo is where images of other servers are, one repository for each: arms of a comparison.
const sourceRepo = "gatelab/debian-"

// usualPath is where an image's programs are if it does not say so itself.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// fromSource says whether a spec's server is one that the lab does not know by itself.
func fromSource(s lab.Spec) bool {
	_, known := official()[s.Program]
	return !known && (s.Source.Image != "" || len(s.Source.Packages) > 0)
}

// sourceRecipe is newRecipe with a spec's own server in place of the others. Headers stay, and the usual commands are there: Varnish
// compiles its configuration, in a folder that it clears with rm.
func sourceRecipe(s lab.Spec, mirror string) made {
	r := newRecipe(mirror)
	r.Packages = append(slices.Clone(s.Source.Packages), "dash", "coreutils")
	r.Dropped = slices.DeleteFunc(r.Dropped, func(p string) bool { return p == "usr/include" })
	args := s.Source.Version
	if len(args) == 0 {
		args = []string{"--version"}
	}
	r.InitDB = "for p in " + strings.Join(candidates(s, nil), " ") + "; do\n" +
		"if [ -x $p ]; then $p " + strings.Join(args, " ") + " 2>&1 | { IFS= read -r line; echo \"$line\"; }; exit 0; fi\n" +
		"done\necho 'the packages do not bring " + executable(s) + "'\nexit 1"
	return made{recipe: r, repo: sourceRepo + s.Program, user: nobodyUID, about: s.Program + " from Debian packages, for gatelab"}
}

func executable(s lab.Spec) string {
	if s.Source.Executable != "" {
		return s.Source.Executable
	}
	return s.Program
}

// candidates are the paths at which a server may be in an image whose environment is env: in PATH, then in its places.
func candidates(s lab.Spec, env []string) []string {
	dirs := usualPath
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = value
		}
	}
	var out []string
	for dir := range strings.SplitSeq(dirs, ":") {
		out = append(out, path.Join(dir, executable(s)))
	}
	for _, place := range s.Source.Places {
		if !strings.ContainsAny(place, "*?[") && !slices.Contains(out, place) {
			out = append(out, place)
		}
	}
	return out
}

// locate finds a server in an image. Images differ in where they have it, and Debian's name for it is not always its makers': a container
// that never starts is asked.
func (r *Runtime) locate(ctx context.Context, s lab.Spec, img image) (string, error) {
	res, err := r.api.ImageInspect(ctx, img.ref)
	if err != nil {
		return "", err
	}
	var env []string
	if res.Config != nil {
		env = res.Config.Env
	}
	made, err := r.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: img.ref, Entrypoint: []string{"/"}, Labels: r.labels("look")},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		return "", fmt.Errorf("look into %s: %w", img.ref, err)
	}
	defer func() { _ = r.removeContainer(context.WithoutCancel(ctx), made.ID) }()
	at := candidates(s, env)
	for _, p := range at {
		_, err := r.api.ContainerStatPath(ctx, made.ID, client.ContainerStatPathOptions{Path: p})
		if err == nil {
			return p, nil
		}
		if !errdefs.IsNotFound(err) {
			return "", fmt.Errorf("look into %s: %w", img.ref, err)
		}
	}
	return "", fmt.Errorf("%s has no %s: neither in its PATH nor at %s", img.ref, executable(s), strings.Join(s.Source.Places, ", "))
}

// resolveSource is an image of a server that the lab does not know: the official one, or one made from packages.
func (r *Runtime) resolveSource(ctx context.Context, s lab.Spec) (image, error) {
	img, err := r.sourceImage(ctx, s)
	if err != nil || s.Source.EntryPoint {
		return img, err
	}
	img.program, err = r.locate(ctx, s, img)
	return img, err
}

func (r *Runtime) sourceImage(ctx context.Context, s lab.Spec) (image, error) {
	if len(s.Source.Packages) == 0 {
		return r.presentOrMade(ctx, s.Source.Image, made{})
	}
	return r.presentOrMade(ctx, s.Source.Image, sourceRecipe(s, ""))
}

// presentOrMade is the official image where it is present, else one made of the recipe where that was done before, else the official
// image where it can be pulled, else one that is made now. Either may be missing: an empty ref, a recipe without a repository.
func (r *Runtime) presentOrMade(ctx context.Context, ref string, debian made) (image, error) {
	pullErr := errors.New("no official image is known")
	if ref != "" {
		if img, err := r.present(ctx, ref, layoutOfficial); err == nil || !errdefs.IsNotFound(err) {
			return img, err
		}
	}
	packaged := debian.repo != ""
	if packaged {
		if img, err := r.present(ctx, debian.ref(), layoutDebian); err == nil || !errdefs.IsNotFound(err) {
			return img, err
		}
	}
	if ref != "" {
		if pullErr = r.pull(ctx, ref); pullErr == nil {
			return r.present(ctx, ref, layoutOfficial)
		}
	}
	if ctx.Err() != nil {
		return image{}, ctx.Err()
	}
	if !packaged {
		return image{}, fmt.Errorf("%s is not among the engine's images, and cannot be pulled: %w; build it (docker build -t %s DIRECTORY), "+
			"load it (docker load), or see that its registry can be reached and used from here", ref, pullErr, ref)
	}
	r.progress("%s cannot be had (%s); making %s from Debian packages instead, once", ref, firstLine(pullErr), debian.ref())
	if err := r.buildDebian(ctx, debian); err != nil {
		return image{}, errors.Join(err, pullErr)
	}
	return r.present(ctx, debian.ref(), layoutDebian)
}
