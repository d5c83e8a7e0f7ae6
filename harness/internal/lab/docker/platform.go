package docker

import (
	"context"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// platform is an operating system and a processor, as Go calls them.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// enginePlatform is what containers of the engine run on. On macOS and Windows
// the engine is in a Linux machine of its own.
func (r *Runtime) enginePlatform(ctx context.Context) (platform, error) {
	res, err := r.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return platform{}, fmt.Errorf("ask the engine for its platform: %w", err)
	}
	return platform{res.Info.OSType, goArch(res.Info.Architecture)}, nil
}

// goArch is a processor's name in Go; engines have that of the kernel.
func goArch(name string) string {
	switch name {
	case "x86_64":
		return "amd64"
	case "aarch64", "armv8l":
		return "arm64"
	case "i386", "i686":
		return "386"
	case "armv7l", "armv6l":
		return "arm"
	}
	return name
}

// binaryPlatform is what a Go binary was built for.
func binaryPlatform(path string) (platform, *buildinfo.BuildInfo, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return platform{}, nil, err
	}
	var p platform
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS":
			p.os = s.Value
		case "GOARCH":
			p.arch = s.Value
		}
	}
	return p, info, nil
}

// forEngine is a binary's content for the engine's platform. One of another
// platform, as on macOS, is built again from this checkout.
func (r *Runtime) forEngine(ctx context.Context, program, path string) ([]byte, error) {
	built, info, err := binaryPlatform(path)
	if err == nil {
		want, err := r.enginePlatform(ctx)
		if err != nil {
			return nil, err
		}
		if built != want {
			r.progress("%s is for %s: building it for %s, the engine's platform", path, built, want)
			return crossBuild(ctx, ".", program, info.Path, want)
		}
	}
	if err := checkStatic(path); err != nil { // it tells of what is no Go binary, too
		return nil, err
	}
	return os.ReadFile(path)
}

// crossBuild builds a main package of the module that dir is in, and returns the
// binary.
func crossBuild(ctx context.Context, dir, program, pkg string, want platform) ([]byte, error) {
	if _, build, ok := strings.Cut(program, "@"); ok {
		return nil, fmt.Errorf("the build %q is not for %s, and this checkout is not its source: compare builds with --runtime host here",
			build, want)
	}
	out, err := os.MkdirTemp("", "gatelab-cross-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	path := filepath.Join(out, "program")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg) //nolint:gosec // of our own binary
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+want.os, "GOARCH="+want.arch)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, subprocess.Failed(ctx, subprocess.Failure{
			What: "build " + pkg + " for " + want.String(), Program: "go build",
			Advice: fmt.Sprintf("start this in the checkout, with Go installed, or build it yourself: CGO_ENABLED=0 GOOS=%s GOARCH=%s go build %s",
				want.os, want.arch, pkg),
		}, err, said)
	}
	if err := checkStatic(path); err != nil {
		return nil, errors.Join(err, errors.New("this is a bug"))
	}
	return os.ReadFile(path)
}

// checkStatic refuses a binary that could not run FROM scratch: without this
// the engine says only "no such file or directory".
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is no Linux binary (scripts run with --runtime host): %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is linked dynamically: build it with CGO_ENABLED=0, or run it without containers (--runtime host)", path)
		}
	}
	return nil
}
