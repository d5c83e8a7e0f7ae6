package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"gatelab/harness/internal/subprocess"
)

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
