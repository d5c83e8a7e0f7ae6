package cloudflare_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/deploy/cloudflare"
)

// node is a JavaScript runtime that is new enough. That there is none is a
// failure: a test that never runs holds nothing.
func node(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Node.js, and -short asks for tests without other programs: run make test")
	}
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: want Node.js 18 or newer (make deps)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		t.Fatalf("node --version: %v", err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 18 {
		t.Fatalf("node is %s: want 18 or newer", version)
	}
	return path
}

// TestJavaScript runs the tests of the Worker and of the lab's runtime.
func TestJavaScript(t *testing.T) {
	files, err := filepath.Glob("test/*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node(t), append([]string{"--test"}, files...)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := regexp.MustCompile(`(?m)^\S+ pass (\d+)$`).FindSubmatch(out)
	if passed == nil || bytes.Equal(passed[1], []byte("0")) {
		t.Errorf("nothing was tested:\n%s", out)
	}
}

// TestFilesAreAllThatIsNeeded starts the edge from what a lab would give it.
func TestFilesAreAllThatIsNeeded(t *testing.T) {
	node := node(t)
	dir := t.TempDir()
	for name, content := range cloudflare.Files() {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, filepath.Join(dir, "edge/server.mjs"), "--worker="+filepath.Join(dir, "worker.js"),
		"--listen=127.0.0.1:0", "--status=127.0.0.1:0", "--origin=127.0.0.1:1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, _ := said.Read(line) // ends with the process at the latest
	if !strings.HasPrefix(string(line[:n]), "edge: listening on ") {
		t.Errorf("it says %q, %s", line[:n], wrong.String())
	}
	cancel()
	_ = cmd.Wait() // its exit code after an interrupt is not the point
}

func TestRefusesWhatItCannotRunWith(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "--origin and --worker: want both"},
		{"--origin=nowhere --worker=worker.js", `address "nowhere" is not allowed: want host:port`},
		{"--origin=127.0.0.1:1 --worker=worker.js --cache-bytes=0", `--cache-bytes: "0" is not allowed: want a whole number from 1`},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out, err := exec.CommandContext(ctx, node(t), append([]string{"edge/server.mjs"}, strings.Fields(c.args)...)...).CombinedOutput()
		cancel()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: %v, %s, want %s", c.args, err, out, c.want)
		}
	}
}
