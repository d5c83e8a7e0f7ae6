package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary work as the harness where it is started under that name: in scripts, and as nodes of labs.
func TestMain(m *testing.M) {
	testscript.Main(cleanUp{m}, map[string]func(){"harness": main})
}

// cleanUp removes what was built for tests.
type cleanUp struct{ m *testing.M }

func (c cleanUp) Run() int {
	code := c.m.Run()
	if built {
		if dir, err := binaries(); err == nil {
			os.RemoveAll(dir)
		}
	}
	return code
}

var built bool // binaries was called

// binaries is a folder with our two programs, made once for all tests: the gateway, and this test binary as the harness.
var binaries = sync.OnceValues(func() (string, error) {
	built = true
	dir, err := os.MkdirTemp("", "gatelab-harness-test-")
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	// The flags are those of the gate, so that its builds find theirs in the cache.
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=gate",
		"-o", filepath.Join(dir, "gateway"), "github.com/gatelab/gatelab/gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "harness"), b, 0o755)
})

// invocation is the outcome of running the program once.
type invocation struct {
	code           int
	stdout, stderr string
}

// runProgram runs the program in this process, with an environment of its own.
func runProgram(t *testing.T, executable string, env map[string]string, args ...string) invocation {
	t.Helper()
	var out, errs bytes.Buffer
	p := &Program{
		Stdout: &out, Stderr: &errs, Version: "test",
		Getenv:     func(name string) string { return env[name] },
		Executable: func() (string, error) { return executable, nil },
	}
	code := p.Run(t.Context(), args)
	if p.ran != nil && !slices.Contains(exitsOf(p.ran), code) {
		t.Errorf("%s ended with %d, which is none of its exit codes", p.ran.CommandPath(), code)
	}
	return invocation{code: code, stdout: out.String(), stderr: errs.String()}
}

// Scripts check help texts, exit codes and errors of the program as a shell sees it.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("REPO", root)
			// No engine answers there, so no script starts a container.
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-engine.sock"))
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "runs": sampleRuns},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// exits is a command of scripts: exits CODE PROGRAM ARG... runs a program and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}
