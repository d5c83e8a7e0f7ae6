package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/subprocess"
)

// builds are the arms' binaries, in a temporary folder.
type builds struct {
	root string // of the repository
	dir  string
	said map[string]string // arm -> what it was built from
	has  map[string]bool   // arm -> knows the setting pprof
}

// buildWithin bounds one build, with an empty build cache.
const buildWithin = 5 * time.Minute

// build makes both arms: the reference's tree, and the working tree or the
// reference's tree with a patch. The flags are the same for both.
func build(ctx context.Context, console *Console, o GateOptions) (*builds, error) {
	root, err := git(ctx, "", "find the repository", "start the gate in a git checkout of the gateway (git clone): it builds from one",
		"rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	if o.Baseline != "" {
		return buildOne(ctx, console, root)
	}
	commit, err := baseCommit(ctx, root, o.Base)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gatelab-gate-")
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	b := &builds{root: root, dir: dir, said: map[string]string{}, has: map[string]bool{}}
	began := time.Now()
	if err := b.both(ctx, commit, o.Patch); err != nil {
		b.remove()
		return nil, err
	}
	console.Step("built %s and %s (%.1f s)", b.said[gate.Base], b.said[gate.Head], time.Since(began).Seconds())
	return b, nil
}

// buildOne makes the working tree's build alone, as Base: a baseline is what it
// is compared with.
func buildOne(ctx context.Context, console *Console, root string) (*builds, error) {
	dir, err := os.MkdirTemp("", "gatelab-gate-")
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	b := &builds{root: root, dir: dir, said: map[string]string{}, has: map[string]bool{}}
	if err := b.one(ctx, gate.Base, root); err != nil {
		b.remove()
		return nil, err
	}
	b.said[gate.Base] = "working tree"
	if head, err := git(ctx, root, "describe the working tree", seeGit, "describe", "--always", "--dirty"); err == nil {
		b.said[gate.Base] += " at " + head
	}
	b.said[gate.Again] = b.said[gate.Base] + ", again"
	console.Step("built the %s", b.said[gate.Base])
	return b, nil
}

func (b *builds) both(ctx context.Context, commit, patch string) error {
	tree, err := b.checkout(ctx, gate.Base, commit)
	if err != nil {
		return err
	}
	if err := b.one(ctx, gate.Base, tree); err != nil {
		return err
	}
	b.said[gate.Base] = commit[:12]
	b.said[gate.Again] = commit[:12] + ", again"
	b.has[gate.Again] = b.has[gate.Base]
	if patch == "" {
		head, err := git(ctx, b.root, "name the working tree's commit", seeGit, "rev-parse", "HEAD")
		if err != nil {
			return err
		}
		changed, err := git(ctx, b.root, "look for changes in the working tree", seeGit, "status", "--porcelain")
		if err != nil {
			return err
		}
		b.said[gate.Head] = "working tree at " + head[:12]
		if changed != "" {
			b.said[gate.Head] += " with changes"
		}
		return b.one(ctx, gate.Head, b.root)
	}
	abs, err := filepath.Abs(patch)
	if err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	if tree, err = b.checkout(ctx, gate.Head, commit); err != nil {
		return err
	}
	advice := "make it anew against " + commit[:12] + " (git diff), or choose the --base that it is for"
	if _, err := git(ctx, tree, "apply the patch "+patch, advice, "apply", "--whitespace=nowarn", abs); err != nil {
		return err
	}
	b.said[gate.Head] = commit[:12] + " with " + filepath.Base(patch)
	return b.one(ctx, gate.Head, tree)
}

// checkout puts a commit's tree into the temporary folder.
func (b *builds) checkout(ctx context.Context, arm, commit string) (string, error) {
	tree := filepath.Join(b.dir, "tree-"+arm)
	if _, err := git(ctx, b.root, "check "+commit[:12]+" out",
		"free some space in "+b.dir+", or, in a partial clone, fetch the whole commit: git fetch --no-filter --refetch origin "+commit,
		"worktree", "add", "--detach", "--quiet", tree, commit); err != nil {
		return "", err
	}
	return tree, nil
}

// one builds an arm, and asks it whether it can be profiled.
func (b *builds) one(ctx context.Context, arm, tree string) error {
	ctx, cancel := context.WithTimeout(ctx, buildWithin)
	defer cancel()
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=gate", "-o", b.path(arm), "./gateway")
	c.Dir = tree
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		advice := "go build ./gateway in a checkout of it says more; the gate needs a gateway that builds"
		return subprocess.Failed(ctx, subprocess.Failure{What: "build " + arm, Program: "go build", Advice: advice}, err, out)
	}
	help, err := exec.CommandContext(ctx, b.path(arm), "--help").CombinedOutput()
	b.has[arm] = err == nil && bytes.Contains(help, []byte("--pprof"))
	return nil
}

// path is an arm's binary; the second replica of the base is of the same one.
func (b *builds) path(arm string) string {
	if arm == gate.Again {
		arm = gate.Base
	}
	return filepath.Join(b.dir, "gateway-"+arm)
}

// program is an arm's name for the lab.
func (b *builds) program(arm string) string {
	if arm == gate.Again {
		arm = gate.Base
	}
	return lab.ProgramGateway + "@" + arm
}

func (b *builds) profiles(arm string) bool { return b.has[arm] }

// binaries are what the runtime must know.
func (b *builds) binaries(harness string) map[string]string {
	out := map[string]string{lab.ProgramHarness: harness}
	for _, arm := range []string{gate.Base, gate.Head} {
		if b.said[arm] != "" {
			out[b.program(arm)] = b.path(arm)
		}
	}
	return out
}

// remove takes the temporary folder away, and git's notes of it.
func (b *builds) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, arm := range []string{gate.Base, gate.Head} {
		tree := filepath.Join(b.dir, "tree-"+arm)
		if _, err := os.Stat(tree); err == nil {
			_, _ = git(ctx, b.root, "remove the checkout", seeGit, "worktree", "remove", "--force", tree) // what is left is removed below, and pruned by git itself
		}
	}
	os.RemoveAll(b.dir)
}
