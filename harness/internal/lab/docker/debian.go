package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// labelVersions, on an image, says which versions of the programs it holds.
const labelVersions = "gatelab.versions"

const (
	debianRepo     = "gatelab/debian-deps"
	nodeRepo       = "gatelab/debian-node"    // apart: most labs need no JavaScript
	observeRepo    = "gatelab/debian-observe" // likewise: only the stack by hand has them
	defaultMirror  = "http://deb.debian.org/debian"
	securityMirror = "http://deb.debian.org/debian-security"
	postgresBin    = "/usr/lib/postgresql/15/bin/"
	postgresData   = "/var/lib/postgresql/data"
)

// recipe is all that decides what the image made from Debian packages holds;
// its hash is the image's tag.
type recipe struct {
	Suite    string
	Packages []string
	Sources  []string
	Dropped  []string // paths left out, with all below them
	Files    []tarEntry
	InitDB   string   // run once inside; what it prints are the versions
	Changes  []string // to the image's configuration
}

// made is an image that is made of a recipe.
type made struct {
	recipe
	repo  string
	user  string // that runs InitDB
	about string
}

func (m made) ref() string { return m.repo + ":" + m.tag() }

// recipeOf is the image in which a program is. ok is false where Debian has no
// package of it.
func recipeOf(program, mirror string) (m made, ok bool) {
	switch program {
	case lab.ProgramGrafana:
		return made{}, false
	case lab.ProgramNode:
		return made{recipe: nodeRecipe(mirror), repo: nodeRepo, user: nobodyUID, about: "Node.js from Debian packages, for gatelab"}, true
	case lab.ProgramPrometheus, lab.ProgramAlertmanager:
		return made{recipe: observeRecipe(mirror), repo: observeRepo, user: nobodyUID,
			about: "Prometheus and Alertmanager from Debian packages, for gatelab"}, true
	}
	return made{recipe: newRecipe(mirror), repo: debianRepo, user: postgresUID,
		about: "postgres, redis and nginx from Debian packages, for gatelab"}, true
}

// observeRecipe is newRecipe with Prometheus and Alertmanager in place of the
// servers, without their tools.
func observeRecipe(mirror string) recipe {
	r := newRecipe(mirror)
	r.Packages = []string{"prometheus", "prometheus-alertmanager", "dash"}
	r.Dropped = append(r.Dropped, "usr/bin/promtool", "usr/bin/amtool")
	r.InitDB = "set -e\nset -- $(/usr/bin/prometheus --version 2>&1)\necho prometheus $3\n" +
		"set -- $(/usr/bin/prometheus-alertmanager --version 2>&1)\necho alertmanager $3"
	return r
}

// nodeRecipe is newRecipe with Node.js in place of the servers.
func nodeRecipe(mirror string) recipe {
	r := newRecipe(mirror)
	r.Packages = []string{"nodejs", "dash"}
	r.InitDB = "set -e\necho node $(/usr/bin/node --version)"
	return r
}

func newRecipe(mirror string) recipe {
	if mirror == "" {
		mirror = defaultMirror
	}
	suite := "bookworm"
	return recipe{
		Suite: suite,
		// dash: initdb starts its helpers through a shell.
		Packages: []string{"postgresql-15", "redis-server", "nginx-light", "dash"},
		Sources: []string{
			"deb " + mirror + " " + suite + " main",
			"deb " + securityMirror + " " + suite + "-security main",
		},
		Dropped: droppedPaths(),
		Files:   extraFiles(),
		InitDB:  initDBScript(),
		// No VOLUME: Redis and nginx would get a copy of the database each.
		Changes: []string{"ENTRYPOINT []", "CMD []", "USER root", "ENV LANG=C.UTF-8"},
	}
}

func (r recipe) tag() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v", r)
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// initDBScript makes the database cluster inside the image, so that starting
// Postgres takes a fraction of a second. The versions go to standard output.
func initDBScript() string {
	return strings.Join([]string{
		"set -e",
		"B=" + postgresBin + " D=" + postgresData,
		"echo '" + lab.PostgresPassword + "' >/tmp/pw",
		"$B/initdb -D $D -U " + lab.PostgresUser + " --pwfile=/tmp/pw --auth-local=trust --auth-host=scram-sha-256" +
			" --encoding=UTF8 --locale=C.UTF-8 --no-sync >/tmp/log 2>&1 || { cat /tmp/log >&2; exit 1; }",
		": >/tmp/pw",
		"echo 'host all all all scram-sha-256' >>$D/pg_hba.conf",
		"echo 'CREATE DATABASE " + lab.PostgresDatabase + "'" +
			" | $B/postgres --single -D $D -j postgres >/tmp/log 2>&1 || { cat /tmp/log >&2; exit 1; }",
		"$B/postgres --version",
		"/usr/bin/redis-server --version",
		"/usr/sbin/nginx -v 2>&1",
	}, "\n")
}

// buildDebian makes the image: packages unpacked into a tar, thinned out on the
// way into the engine, then one container run to finish it (the database
// cluster is made there), and committed. A lock keeps two runs from doing it at once.
func (r *Runtime) buildDebian(ctx context.Context, rec made) error {
	unlock, err := lockBuild(ctx)
	if err != nil {
		return fmt.Errorf("wait for another run that makes the images: %w", err)
	}
	defer unlock()
	if _, err := r.present(ctx, rec.ref(), layoutDebian); err == nil {
		return nil // another run was faster
	}
	began := time.Now()
	if err := r.ensureMmdebstrap(ctx); err != nil {
		return err
	}
	base := rec.ref() + "-base"
	defer r.untag(base)
	if err := r.importTar(ctx, base, func(w io.Writer) error { return r.bootstrap(ctx, rec.recipe, w) }); err != nil {
		return err
	}
	if err := r.runInside(ctx, rec, base); err != nil {
		return err
	}
	r.removeStale(ctx, rec.repo, rec.ref())
	r.progress("image %s made in %s", rec.ref(), time.Since(began).Round(time.Second))
	return nil
}

func (r *Runtime) untag(ref string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := r.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		r.progress("image %s cannot be removed: %v", ref, err)
	}
}

// runInside runs the recipe's script in a container of base and commits it.
func (r *Runtime) runInside(ctx context.Context, rec made, base string) error {
	r.progress("finishing %s from within", rec.ref())
	res, err := r.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:      base,
			Entrypoint: []string{"/bin/sh", "-c", rec.InitDB},
			User:       rec.user,
			Labels:     r.labels("debian-deps"),
		},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		return fmt.Errorf("finish %s: %w", rec.ref(), err)
	}
	defer func() { _ = r.removeContainer(context.WithoutCancel(ctx), res.ID) }()
	versions, err := r.runToEnd(ctx, res.ID)
	if err != nil {
		return fmt.Errorf("finish %s: %w", rec.ref(), err)
	}
	_, err = r.api.ContainerCommit(ctx, res.ID, client.ContainerCommitOptions{
		Reference: rec.ref(),
		Comment:   rec.about,
		Changes: append([]string{
			fmt.Sprintf("LABEL %s=%q", labelVersions, strings.Join(strings.Split(strings.TrimSpace(versions), "\n"), "; ")),
		}, rec.Changes...),
	})
	if err != nil {
		return fmt.Errorf("commit %s: %w", rec.ref(), err)
	}
	return nil
}

// runToEnd starts a made container, waits for its end and returns what it
// printed. An exit code but 0 is an error with the output in it.
func (r *Runtime) runToEnd(ctx context.Context, id string) (string, error) {
	wait := r.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := r.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return "", err
	}
	var code int64
	select {
	case err := <-wait.Error:
		return "", err
	case end := <-wait.Result:
		code = end.StatusCode
	}
	text, err := r.logs(ctx, id)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, text)
	}
	return text, err
}

// lockBuild takes a lock between processes; it is given up with the process.
func lockBuild(ctx context.Context) (func(), error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "gatelab-debian-deps.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK {
			_ = f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
