package compare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// builds are the arms' binaries, in a temporary folder.
type builds struct {
	root  string // of the repository
	dir   string
	took  time.Duration
	said  map[string]string // arm -> what it was built from
	pprof map[string]bool   // arms that know the setting pprof
}

// made says what was built.
func (b *builds) made() []string {
	out := []string{b.said[gate.Base]}
	if head, both := b.said[gate.Head]; both {
		out = append(out, head)
	}
	return out
}

// buildWithin bounds one build, with an empty build cache.
const buildWithin = 5 * time.Minute

// build makes both arms: the reference's tree, and the working tree or the reference's tree with a patch. The flags are the same for both.
// With a baseline it makes the working tree alone, as Base: the baseline is what that is compared with.
func build(ctx context.Context, o GateOptions) (_ *builds, err error) {
	root, err := git(ctx, "", "find the repository", "start the gate in a git checkout of the gateway (git clone): it builds from one",
		"rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gatelab-gate-")
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	b := &builds{root: root, dir: dir, said: map[string]string{}, pprof: map[string]bool{}}
	began := time.Now()
	defer func() {
		if b.took = time.Since(began); err != nil {
			b.remove()
		}
	}()
	if o.Baseline != "" {
		return b, b.workingTree(ctx)
	}
	commit, err := baseCommit(ctx, root, o.Base)
	if err != nil {
		return nil, err
	}
	return b, b.both(ctx, commit, o.Patch)
}

// workingTree builds the working tree as Base.
func (b *builds) workingTree(ctx context.Context) error {
	if err := b.one(ctx, gate.Base, b.root); err != nil {
		return err
	}
	b.said[gate.Base] = "working tree"
	if head, err := git(ctx, b.root, "describe the working tree", seeGit, "describe", "--always", "--dirty"); err == nil {
		b.said[gate.Base] += " at " + head
	}
	b.said[gate.Again] = b.said[gate.Base] + ", again"
	return nil
}

// both builds a commit as Base, and the working tree or the commit's tree with a patch as Head.
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
	b.pprof[gate.Again] = b.pprof[gate.Base]
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
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", //nolint:gosec // our own arguments
		"-ldflags", "-s -w -X main.version=gate", "-o", b.path(arm), "./gateway")
	c.Dir = tree
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		advice := "go build ./gateway in a checkout of it says more; the gate needs a gateway that builds"
		return subprocess.Failed(ctx, subprocess.Failure{What: "build " + arm, Program: "go build", Advice: advice}, err, out)
	}
	help, err := exec.CommandContext(ctx, b.path(arm), "--help").CombinedOutput()
	b.pprof[arm] = err == nil && bytes.Contains(help, []byte("--pprof"))
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
			// What is left is removed below, and pruned by git itself.
			_, _ = git(ctx, b.root, "remove the checkout", seeGit, "worktree", "remove", "--force", tree)
		}
	}
	os.RemoveAll(b.dir)
}

// baseCommit is the commit that a gate compares with. Where this clone has not
// got it, as a CI checkout of depth 1 has not, the error says what to fetch.
func baseCommit(ctx context.Context, root, base string) (string, error) {
	what := fmt.Sprintf("find the base %q", base)
	commit, err := git(ctx, root, what, seeGit, "rev-parse", "--verify", "--quiet", "--end-of-options", base+"^{commit}")
	var exit *exec.ExitError
	if err == nil || ctx.Err() != nil || !errors.As(err, &exit) {
		return commit, err
	}
	shallow, askErr := git(ctx, root, what, seeGit, "rev-parse", "--is-shallow-repository")
	if askErr != nil {
		return "", askErr
	}
	if shallow == "true" {
		return "", fmt.Errorf("%s: this clone is shallow and has no such commit: fetch the history with git fetch --unshallow origin "+
			"(in CI: a checkout with full depth, fetch-depth: 0), or the commit alone with %s", what, fetching(base))
	}
	return "", fmt.Errorf("%s: this clone has no such commit: fetch it with %s, or choose one of git branch --all, git tag and git log",
		what, fetching(base))
}

// ofCommit are references by their commit, or relative to another one.
var (
	hash     = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	relative = regexp.MustCompile(`[~^@:]`)
)

// fetching is the command that gets a reference.
func fetching(ref string) string {
	branch := strings.TrimPrefix(ref, "origin/")
	switch {
	case hash.MatchString(ref):
		return "git fetch --depth=1 origin " + ref
	case relative.MatchString(ref):
		return "git fetch --deepen=50 origin"
	default:
		return fmt.Sprintf("git fetch --depth=1 origin %s:refs/remotes/origin/%s (then --base origin/%s)", branch, branch, branch)
	}
}

// seeGit is for questions that git answers in every sound checkout.
const seeGit = "git status in this checkout says what is wrong with it"

// git runs a git command in dir and returns what it said. what and advice are
// for its failure: what it was to do, and what the user can.
func git(ctx context.Context, dir, what, advice string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "git", args...)
	c.Dir = dir
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", subprocess.Failed(ctx, subprocess.Failure{What: what, Program: "git " + args[0], Advice: advice}, err, errs.Bytes())
	}
	return strings.TrimSpace(out.String()), nil
}
