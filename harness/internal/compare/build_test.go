package compare

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/gate"
)

// repository is a module with a program called gateway, at one commit.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":          "module gatelab\n\ngo 1.26\n",
		"gateway/main.go": "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"one\") }\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."},
		{"-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one"},
	} {
		if _, err := git(t.Context(), dir, "test", seeGit, args...); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func output(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command(path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestBothArmsAreBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	dir := repository(t)
	t.Chdir(dir)
	main := filepath.Join(dir, "gateway", "main.go")
	two := strings.Replace("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"one\") }\n", "one", "two", 1)
	if err := os.WriteFile(main, []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	diff, err := git(t.Context(), dir, "test", seeGit, "diff")
	if err != nil {
		t.Fatal(err)
	}
	patch := filepath.Join(t.TempDir(), "two.patch")
	if err := os.WriteFile(patch, []byte(diff+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []GateOptions{{Base: "HEAD"}, {Base: "HEAD", Patch: patch}} {
		b, err := build(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for arm, want := range map[string]string{gate.Base: "one", gate.Head: "two", gate.Again: "one"} {
			if got := output(t, b.path(arm)); got != want {
				t.Errorf("%+v: %s is %s, want %s", o, arm, got, want)
			}
		}
		if made := b.made(); len(made) != 2 || made[0] != b.said[gate.Base] || made[1] != b.said[gate.Head] || b.took <= 0 {
			t.Errorf("made %q in %s", made, b.took)
		}
		if b.pprof[gate.Base] {
			t.Error("a program that has no setting pprof would be given it")
		}
		b.remove()
		if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
			t.Errorf("what was built is still there: %v", err)
		}
	}
	if trees, err := git(t.Context(), dir, "test", seeGit, "worktree", "list"); err != nil || strings.Count(trees, "\n") != 0 {
		t.Errorf("trees left over: %s %v", trees, err)
	}
	for _, bad := range []GateOptions{{Base: "no-such-reference"}, {Base: "HEAD", Patch: "no-such-file"}, {Base: "--help"}} {
		if b, err := build(context.Background(), bad); err == nil {
			b.remove()
			t.Errorf("%+v was built", bad)
		}
	}
}

// A patch that no longer fits would only be noticed by who wants to prove the
// gate.
func TestSabotageFitsTheGateway(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	patches, err := filepath.Glob(filepath.Join(root, "deploy/ci/sabotage/*.patch"))
	if err != nil || len(patches) < 3 {
		t.Fatalf("%d patches, error %v: want three or more", len(patches), err)
	}
	for _, p := range patches {
		cmd := exec.CommandContext(t.Context(), "git", "apply", "--check", p)
		cmd.Dir = root
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", filepath.Base(p), err, said)
		}
	}
}

// A baseline is compared with the working tree alone.
func TestOnlyTheWorkingTreeIsBuiltForABaseline(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs")
	}
	t.Chdir(repository(t))
	b, err := build(t.Context(), GateOptions{Baseline: "gate.json"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.remove()
	if made := b.made(); len(made) != 1 || !strings.HasPrefix(made[0], "working tree at ") || b.took <= 0 {
		t.Errorf("made %q in %s", made, b.took)
	}
	if got := output(t, b.path(gate.Base)); got != "one" {
		t.Errorf("built %s", got)
	}
}
