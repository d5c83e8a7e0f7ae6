package docker

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// The users of the Debian images. Packages are only unpacked, so nothing but
// extraFiles makes users. Every image has nobody.
const (
	postgresUID = "999"
	redisUID    = "998"
	nobodyUID   = "65534"
)

// tarEntry is a file, directory (no Body, name ends in a slash) or symbolic
// link that is added to the packages' files.
type tarEntry struct {
	Name, Body, Link string
	Mode             int64
	UID              int
}

// extraFiles do what the packages' maintainer scripts would have done.
func extraFiles() []tarEntry {
	return []tarEntry{
		{Name: "etc/passwd", Mode: 0o644, Body: "root:x:0:0:root:/:/bin/sh\n" +
			"nobody:x:65534:65534:nobody:/:/bin/sh\n" +
			"postgres:x:999:999:postgres:/var/lib/postgresql:/bin/sh\n" +
			"redis:x:998:998:redis:/tmp:/bin/sh\n"},
		{Name: "etc/group", Mode: 0o644, Body: "root:x:0:\nnobody:x:65534:\npostgres:x:999:\nredis:x:998:\n"},
		{Name: "etc/nsswitch.conf", Mode: 0o644, Body: "passwd: files\ngroup: files\nhosts: files dns\n"},
		{Name: "bin/sh", Link: "dash"},
		{Name: "tmp/", Mode: 0o1777},
		{Name: "run/", Mode: 0o755},
		{Name: "var/run/", Mode: 0o755},
		{Name: "var/run/postgresql/", Mode: 0o755, UID: 999},
		{Name: "var/lib/postgresql/", Mode: 0o755, UID: 999},
		{Name: "var/lib/nginx/", Mode: 0o755},
		{Name: "var/log/nginx/", Mode: 0o755},
	}
}

// droppedPaths are left out of the image: documentation, the just-in-time
// compiler (a third of it all; Postgres does without), Perl, and package
// management.
func droppedPaths() []string {
	return []string{
		"usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/lintian", "usr/share/locale",
		"usr/share/i18n", "usr/share/perl", "usr/share/perl5", "usr/share/bash-completion",
		"usr/share/common-licenses", "usr/share/bug", "usr/share/menu", "usr/share/gdb", "usr/share/debconf",
		"usr/share/polkit-1", "usr/share/dbus-1", "usr/share/pam", "usr/share/pam-configs", "usr/share/keyrings",
		"usr/share/zoneinfo/right", "usr/share/zoneinfo/posix", "usr/include", "usr/lib/systemd", "usr/lib/udev",
		"lib/systemd", "lib/udev", "etc/init.d", "etc/systemd", "etc/perl", "etc/cron.d", "etc/cron.daily",
		"usr/lib/x86_64-linux-gnu/libLLVM-14.so.1", "usr/lib/aarch64-linux-gnu/libLLVM-14.so.1",
		"usr/lib/x86_64-linux-gnu/libz3.so.4", "usr/lib/aarch64-linux-gnu/libz3.so.4",
		"usr/lib/x86_64-linux-gnu/gconv", "usr/lib/aarch64-linux-gnu/gconv",
		"usr/lib/x86_64-linux-gnu/perl", "usr/lib/aarch64-linux-gnu/perl",
		"usr/lib/x86_64-linux-gnu/perl-base", "usr/lib/aarch64-linux-gnu/perl-base",
		"usr/lib/postgresql/15/lib/bitcode", "usr/lib/postgresql/15/lib/pgxs",
		"usr/lib/postgresql/15/lib/llvmjit.so", "usr/lib/postgresql/15/lib/llvmjit_types.bc",
		"usr/bin/perl", "usr/bin/openssl", "usr/bin/redis-benchmark",
		"usr/bin/redis-check-aof", "usr/bin/localedef", "var/cache", "var/lib/apt", "var/lib/dpkg", "dev",
	}
}

// haveImages is the way around images of our own.
const haveImages = "make the official images available (docker pull postgres:15-alpine redis:7-alpine nginx:alpine node:20-alpine, " +
	"prom/prometheus and prom/alertmanager for make up)"

// ensureMmdebstrap installs mmdebstrap where it is missing and may be had.
func (r *Runtime) ensureMmdebstrap(ctx context.Context) error {
	if _, err := exec.LookPath("mmdebstrap"); err == nil {
		return nil
	}
	const advice = haveImages + " or install mmdebstrap"
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("the official images cannot be had, and this machine has no apt-get to make others: " + advice)
	}
	if os.Geteuid() != 0 {
		return errors.New("the official images cannot be had, and mmdebstrap is missing: " + advice + " (apt-get install mmdebstrap, as root)")
	}
	r.progress("installing mmdebstrap")
	for _, args := range [][]string{
		{"update", "-q"},
		{"install", "-q", "-y", "--no-install-recommends", "mmdebstrap", "debian-archive-keyring"},
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			f := subprocess.Failure{What: "install mmdebstrap", Program: "apt-get " + args[0], Advice: "repair apt, or " + advice}
			return subprocess.Failed(ctx, f, err, out)
		}
	}
	return nil
}

// bootstrap writes the image's file system to w.
func (r *Runtime) bootstrap(ctx context.Context, rec recipe, w io.Writer) error {
	args := append([]string{
		"--variant=extract", "--include=" + strings.Join(rec.Packages, ","), "--format=tar", rec.Suite, "-",
	}, rec.Sources...)
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	packages, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		f := subprocess.Failure{What: "make the image of " + rec.Suite + " packages", Program: "mmdebstrap",
			Advice: "install mmdebstrap, or " + haveImages}
		return subprocess.Failed(ctx, f, err, nil)
	}
	said := make(chan string, 1)
	go func() { said <- r.relay(messages) }()
	err = thin(w, packages, rec)
	_, _ = io.Copy(io.Discard, packages) // what follows the tar's end, or all of it after an error
	text := <-said
	if werr := cmd.Wait(); werr != nil {
		return subprocess.Failed(ctx, subprocess.Failure{What: "make the image of " + rec.Suite + " packages", Program: "mmdebstrap",
			Advice: "see that the Debian archive can be reached from here, or " + haveImages}, werr, []byte(text))
	}
	return err
}

// relay hands mmdebstrap's own messages on as progress and returns them all.
func (r *Runtime) relay(messages io.Reader) string {
	var all strings.Builder
	lines := bufio.NewScanner(messages)
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
		if m, ok := strings.CutPrefix(lines.Text(), "I: "); ok {
			r.progress("Debian packages: %s", m)
		}
	}
	return all.String()
}

// thin copies a tar without what the recipe drops and with what it adds.
func thin(w io.Writer, packages io.Reader, rec recipe) error {
	in, out := tar.NewReader(packages), tar.NewWriter(w)
	added := map[string]bool{}
	for _, e := range rec.Files {
		added[path.Clean(e.Name)] = true
	}
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read packages: %w", err)
		}
		name := path.Clean(h.Name)
		hard := h.Typeflag == tar.TypeLink && dropped(rec.Dropped, path.Clean(h.Linkname))
		if added[name] || hard || dropped(rec.Dropped, name) {
			continue
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
	for _, e := range rec.Files {
		if err := e.write(out); err != nil {
			return err
		}
	}
	return out.Close()
}

func (e tarEntry) write(out *tar.Writer) error {
	h := tar.Header{Name: e.Name, Mode: e.Mode, Uid: e.UID, Gid: e.UID, Size: int64(len(e.Body)), Typeflag: tar.TypeReg}
	switch {
	case e.Link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
	case strings.HasSuffix(e.Name, "/"):
		h.Typeflag = tar.TypeDir
	}
	if err := out.WriteHeader(&h); err != nil {
		return err
	}
	_, err := io.WriteString(out, e.Body)
	return err
}

func dropped(prefixes []string, name string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		rest, ok := strings.CutPrefix(name, p)
		return ok && (rest == "" || rest[0] == '/')
	})
}
