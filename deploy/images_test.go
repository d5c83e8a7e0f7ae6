package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The images are built from sources, for the platform of the build, with the Go version of go.mod, and hold the binary alone.
func TestImagesAreBuiltFromSources(t *testing.T) {
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	for _, program := range []string{"gateway", "harness"} {
		text := read(t, "docker/"+program+".Dockerfile")
		stages := regexp.MustCompile(`(?m)^FROM (.*)`).FindAllStringSubmatch(text, -1)
		if len(stages) != 2 || stages[0][1] != "golang:"+module[1]+" AS build" || stages[1][1] != "scratch" {
			t.Errorf("%s: stages %q, want golang:%s and scratch", program, stages, module[1])
		}
		for _, want := range []string{
			"CGO_ENABLED=0 go build", "-o /" + program + " ./" + program, "COPY --from=build /" + program + " /" + program,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q", program, want)
			}
		}
		if strings.Contains(text, "bin/") {
			t.Errorf("%s: copies a binary of this machine", program)
		}
	}
}

// What .dockerignore lets into the context is enough to build both programs, and nothing secret is in it.
func TestBuildContextIsComplete(t *testing.T) {
	rules := strings.Split(strings.TrimSpace(read(t, "../.dockerignore")), "\n")
	for _, secret := range []string{"**/.env", "deploy/docker/tokens"} {
		if !slices.Contains(rules, secret) {
			t.Errorf(".dockerignore lets %s in", secret)
		}
	}
	tracked := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	tracked.Dir = ".."
	files, err := tracked.Output()
	if err != nil {
		t.Skipf("not in a git checkout: %v", err)
	}
	dir := t.TempDir()
	for path := range strings.Lines(string(files)) {
		path = strings.TrimSpace(path)
		top, _, _ := strings.Cut(path, "/")
		if !slices.Contains(rules, "!"+top) || strings.Contains(path, "/testdata/") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		b, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			continue // deleted here, and not yet there
		}
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := exec.Command("go", "list", "-deps", "./gateway", "./harness") // fails for a missing package or embedded file
	list.Dir = dir
	if out, err := list.CombinedOutput(); err != nil {
		t.Errorf("%v\n%.2000s", err, out)
	}
}
