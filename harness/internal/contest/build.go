package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// buildWithin bounds the building of one gateway, with an empty build cache.
const buildWithin = 30 * time.Minute

// build adds programs to the binaries: the user's own, and the gateways that are Go modules, which are kept in the user's cache for later
// runs. One that cannot be built is out of the comparison, and its cells say why.
func (c *contest) build(ctx context.Context, binaries map[string]string) {
	step := session.Steps(c.Observer)
	for _, s := range c.Systems {
		if s.Binary != "" {
			binaries[s.Program()] = s.Binary
		}
		if s.Module == "" {
			continue
		}
		c.doing("building %s", s.Name)
		path, err := built(ctx, s, step)
		if err != nil {
			c.broken[s.Name] = session.OneLine(err)
			step("%s cannot be built: %v", s.Name, err)
			continue
		}
		binaries[s.Program()] = path
	}
}

// built is the binary of a system's module; it is built if it is not there.
func built(ctx context.Context, s *sut.System, step func(string, ...any)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", s.Name, err)
	}
	dir := filepath.Join(cache, "gatelab", "gateways", filepath.Base(s.Module))
	path := filepath.Join(dir, s.Executable())
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	step("building %s from %s, once", s.Name, s.Module)
	ctx, cancel := context.WithTimeout(ctx, buildWithin)
	defer cancel()
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // programs that others may run
		return "", fmt.Errorf("build %s: %w", s.Name, err)
	}
	return path, compile(ctx, s, path)
}

// compile builds a system's command within its own module: go install would refuse one whose go.mod replaces other modules, and ask for
// the list of all versions, which not every proxy has.
func compile(ctx context.Context, s *sut.System, path string) error {
	module, command, version := s.Command()
	out, err := goTool(ctx, s, "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return err
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return fmt.Errorf("build %s: read what go mod download says: %w", s.Name, err)
	}
	made, err := os.MkdirTemp(filepath.Dir(path), ".build-")
	if err != nil {
		return fmt.Errorf("build %s: %w", s.Name, err)
	}
	defer os.RemoveAll(made)
	partial := filepath.Join(made, filepath.Base(path)) // another run may build the same, and may be interrupted
	if _, err := goTool(ctx, s, "build", "-C", downloaded.Dir, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", partial,
		command); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

// goTool runs the go command outside our own module, and returns what it prints.
func goTool(ctx context.Context, s *sut.System, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	cmd.Dir = os.TempDir()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, subprocess.Failed(ctx, subprocess.Failure{
			What: "build " + s.Name, Program: "go " + args[0] + " of " + s.Module,
			Advice: "it needs Go and a module proxy that can be reached; leave it out with --with",
		}, err, append(out, said.String()...))
	}
	return out, nil
}
