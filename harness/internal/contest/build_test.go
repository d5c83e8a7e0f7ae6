package contest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/sut"
)

// TestBuiltOnce builds a small command of a module that this project has anyway: it is kept, and one that cannot be had says what to do.
func TestBuiltOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a command from its module: run make test")
	}
	// Both may lie in the folders that are changed here.
	t.Setenv("GOMODCACHE", goEnv(t, "GOMODCACHE"))
	t.Setenv("GOCACHE", goEnv(t, "GOCACHE"))
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache) // of other systems
	small := &sut.System{Name: "small", Module: "mvdan.cc/sh/v3/cmd/gosh@v3.14.1"}
	broken := &sut.System{Name: "broken", Module: "mvdan.cc/sh/v3/cmd/no-such-command@v3.14.1"}
	c := &contest{Options: &Options{Systems: []*sut.System{small, broken}}, doing: func(string, ...any) {}, broken: map[string]string{}}
	binaries := map[string]string{}
	c.build(t.Context(), binaries)
	path := binaries["small"]
	if path == "" || !slices.Equal([]string{filepath.Base(path)}, names(t, filepath.Dir(path))) {
		t.Fatalf("built %v: %v", binaries, c.broken)
	}
	if said, err := exec.CommandContext(t.Context(), path, "-c", "echo hello").Output(); err != nil || string(said) != "hello\n" {
		t.Errorf("it says %q: %v", said, err)
	}
	if why := c.broken["broken"]; !strings.Contains(why, "go build of mvdan.cc/sh") || !strings.Contains(why, "leave it out with --with") {
		t.Errorf("what cannot be built: %q", why)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c.build(t.Context(), binaries)
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was built again: %v", err)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
