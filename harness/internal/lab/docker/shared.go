package docker

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Image is an image of the engine and how a spec's program is started in it, for runtimes that have their images from an engine.
type Image struct {
	Ref        string
	Entrypoint []string // none: the image's own
	Args       []string
	Env        map[string]string
	User       string // none: the image's own
	About      string // for people: reference, id, versions
}

// ImageOf makes sure of a spec's image, as Prepare does.
func (r *Runtime) ImageOf(ctx context.Context, s lab.Spec) (Image, error) {
	img, err := r.image(ctx, s)
	if err != nil {
		return Image{}, err
	}
	l := launchOf(s, img)
	return Image{Ref: img.ref, Entrypoint: l.entrypoint, Args: l.cmd, Env: l.env, User: l.user, About: img.describe()}, nil
}

// Archive is an image as `docker save` writes it. The caller closes it.
func (r *Runtime) Archive(ctx context.Context, ref string) (io.ReadCloser, error) {
	res, err := r.api.ImageSave(ctx, []string{ref})
	if err != nil {
		return nil, fmt.Errorf("save %s: %w", ref, err)
	}
	return res, nil
}

// Push gives an image a name in a registry and uploads it, without credentials: the registry is the user's own. It returns the name.
func (r *Runtime) Push(ctx context.Context, ref, registry string) (string, error) {
	name := strings.TrimSuffix(registry, "/") + "/" + ref
	if _, err := r.api.ImageTag(ctx, client.ImageTagOptions{Source: ref, Target: name}); err != nil {
		return "", fmt.Errorf("tag %s as %s: %w", ref, name, err)
	}
	res, err := r.api.ImagePush(ctx, name, client.ImagePushOptions{RegistryAuth: "e30="}) // "{}": none
	if err != nil {
		return "", fmt.Errorf("push %s: %w", name, err)
	}
	defer res.Close()
	if err := res.Wait(ctx); err != nil {
		return "", fmt.Errorf("push %s: %w", name, err)
	}
	return name, nil
}

// OwnerLabels identify this process, on whatever it makes.
func OwnerLabels() (map[string]string, error) {
	o, err := currentOwner()
	if err != nil {
		return nil, fmt.Errorf("identify this process: %w", err)
	}
	return o.labels(), nil
}

// Orphaned says whether the process that such labels name is surely gone. Of a process of another machine, or of this one before it was
// started last, it says false: what cannot be known counts as alive.
func Orphaned(labels map[string]string) bool {
	o, err := currentOwner()
	return err == nil && labels[labelBoot] == o.boot && o.dead(labels, processStart)
}
