// Package ci tests the files that run the gate in CI, as far as that is possible without GitHub and GitLab.
package ci

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestGateScript runs the action's script with a program in the harness's place that
// ends as the harness does: the real one needs minutes, and its exit codes have tests of
// their own.
func TestGateScript(t *testing.T) {
	for name, c := range map[string]struct {
		env    []string
		code   string // of the program
		args   string // that it must have got
		output string
		said   string
	}{
		"pass": {env: []string{"GATE_BASE=HEAD"}, code: "0", args: "gate --reports reports --base HEAD", output: "verdict=pass\ncode=0\n"},
		"regression": {
			env: []string{"GATE_BASE=HEAD", "GATE_ARGS=--profile smoke"}, code: "1",
			args: "gate --reports reports --base HEAD --profile smoke", output: "verdict=regression\ncode=1\n", said: "::error",
		},
		"inconclusive": {
			env: []string{"GATE_BASE=HEAD"}, code: "3", args: "gate --reports reports --base HEAD",
			output: "verdict=inconclusive\ncode=0\n", said: "::warning",
		},
		"could not run": {
			env: []string{"GATE_BASE=HEAD"}, code: "2", args: "gate --reports reports --base HEAD",
			output: "verdict=error\ncode=2\n", said: "::error",
		},
		"service": {
			env:  []string{"GATE_WORKLOAD=a file.yaml", "GATE_BASE_COMMAND=./v1 {listen}", "GATE_HEAD_COMMAND=./v2 {listen}"},
			code: "0", args: "gate --reports reports --workload a file.yaml --base-command ./v1 {listen} --head-command ./v2 {listen}",
			output: "verdict=pass\ncode=0\n",
		},
		"no base": {code: "0", output: "verdict=error\ncode=2\n", said: "the input base is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script, err := filepath.Abs("action/gate.sh")
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(dir, "harness")
			put(t, program, "#!/bin/sh\necho \"$*\" > args\nmkdir -p reports/runs/1-gate\necho '# Gate' > reports/runs/1-gate/gate.md\n"+
				"ln -sfn runs/1-gate reports/latest-gate\nexit "+c.code+"\n")
			run(t, dir, nil, "git", "init", "-q")
			run(t, dir, nil, "git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "x")
			env := slices.Concat(c.env, []string{
				"HARNESS=" + program, "GITHUB_OUTPUT=" + filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY=" + filepath.Join(dir, "summary"),
			})
			said := run(t, dir, env, "bash", script)
			if got := read(dir, "args"); strings.TrimSpace(got) != c.args {
				t.Errorf("called with %q, want %q", got, c.args)
			}
			if got := read(dir, "output"); !strings.HasSuffix(got, c.output) {
				t.Errorf("outputs %q, want %q", got, c.output)
			}
			if c.args != "" && (read(dir, "summary") != "# Gate\n" || !strings.Contains(read(dir, "output"), "run="+dir)) {
				t.Errorf("summary %q, outputs %q", read(dir, "summary"), read(dir, "output"))
			}
			if c.said != "" && !strings.Contains(said, c.said) {
				t.Errorf("said %q, want %s", said, c.said)
			}
		})
	}
}

// TestTheBaseOfAShallowCloneIsFetched runs the script where the base's commit is missing.
func TestTheBaseOfAShallowCloneIsFetched(t *testing.T) {
	dir := t.TempDir()
	origin, clone := filepath.Join(dir, "origin"), filepath.Join(dir, "clone")
	run(t, dir, nil, "git", "init", "-q", origin)
	commit := []string{"git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "x"}
	run(t, origin, nil, commit[0], commit[1:]...)
	base := strings.TrimSpace(run(t, origin, nil, "git", "rev-parse", "HEAD"))
	run(t, origin, nil, commit[0], commit[1:]...)
	run(t, origin, nil, "git", "config", "uploadpack.allowAnySHA1InWant", "true") // as forges do
	run(t, dir, nil, "git", "clone", "-q", "--depth=1", "file://"+origin, clone)
	program := filepath.Join(dir, "harness")
	put(t, program, "#!/bin/sh\ngit rev-parse -q --verify \"$5^{commit}\"\n")
	script, err := filepath.Abs("action/gate.sh")
	if err != nil {
		t.Fatal(err)
	}
	said := run(t, clone, []string{
		"HARNESS=" + program, "GATE_BASE=" + base, "GITHUB_OUTPUT=" + filepath.Join(dir, "output"),
		"GITHUB_STEP_SUMMARY=" + filepath.Join(dir, "summary"),
	}, "bash", script)
	if !strings.Contains(said, base) || !strings.Contains(read(dir, "output"), "verdict=pass") {
		t.Errorf("said %q, outputs %q", said, read(dir, "output"))
	}
}

// TestTheActionPassesEveryInput compares the action's inputs with what its steps read.
func TestTheActionPassesEveryInput(t *testing.T) {
	text, err := os.ReadFile("action/action.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Description string }
		Runs   struct{ Using string }
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`inputs\.([a-z-]+)`).FindAllStringSubmatch(string(text), -1) {
		used[m[1]] = true
		if _, ok := action.Inputs[m[1]]; !ok {
			t.Errorf("inputs.%s is read and not declared", m[1])
		}
	}
	for name, in := range action.Inputs {
		if !used[name] || in.Description == "" {
			t.Errorf("input %s is not read, or has no description", name)
		}
	}
	script := read("action", "gate.sh")
	for _, m := range regexp.MustCompile(`GATE_[A-Z_]+`).FindAllString(string(text), -1) {
		if !strings.Contains(script, m) {
			t.Errorf("%s is set and not read by gate.sh", m)
		}
	}
	for _, file := range []string{"github-actions.yaml", "gitlab-ci.yaml"} {
		var any map[string]any
		if err := yaml.Unmarshal([]byte(read(".", file)), &any); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
