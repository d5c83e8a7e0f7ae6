package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func tagOf(t *testing.T, s string) *name.Tag {
	t.Helper()
	tag, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return &tag
}

// docker runs the engine's own command.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

const answer = `_format_version: "3.0"
services:
  - name: hello
    url: http://127.0.0.1:9
    routes: [{name: hello, paths: [/hello]}]
    plugins: [{name: request-termination, config: {status_code: 200, message: from a file}}]
`

// The gateway's image is loaded into an engine, says its version, and serves from a file.
func TestTheImageRunsInAnEngine(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput(); err != nil {
		t.Skipf("no Docker engine answers, so no image of a release was loaded and run: %s", out)
	}
	r := release{version: fmt.Sprintf("0.0.0-test-%d", os.Getpid()), at: time.Unix(1_700_000_000, 0).UTC()}
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-X main.version="+r.version,
		"-o", filepath.Join(folder, "gateway"), "github.com/gatelab/gatelab/gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.binaries = []binaries{{platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, folder: folder}}
	docker(t, "load", "-i", written(t, r, programs[0]))
	tag := "gatelab/gateway:" + r.version
	if exec.CommandContext(t.Context(), "docker", "image", "inspect", tag).Run() != nil {
		tag += "-" + runtime.GOARCH // the engine's store is the older one
	}
	defer func() { _ = exec.Command("docker", "image", "rm", "--force", tag).Run() }()
	if got := docker(t, "run", "--rm", "--network=none", tag, "--version"); got != r.version {
		t.Errorf("--version says %q, want %q", got, r.version)
	}
	file := filepath.Join(t.TempDir(), "kong.yml")
	if err := os.WriteFile(file, []byte(answer), 0o644); err != nil { //nolint:gosec // the container's user reads it
		t.Fatal(err)
	}
	id := docker(t, "run", "--detach", "--read-only", "-p", "127.0.0.1::8000", "-v", file+":/kong.yml:ro", tag,
		"run", "--database=off", "--declarative-config=/kong.yml")
	defer func() { _ = exec.Command("docker", "rm", "--force", id).Run() }()
	address := "http://" + docker(t, "port", id, "8000/tcp") + "/hello"
	if got := first(t, address); !strings.Contains(got, "from a file") {
		t.Errorf("%s answers %q\n%s", address, got, docker(t, "logs", id))
	}
}

// first is the first answer with status 200 within a minute.
func first(t *testing.T, address string) (body string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		res, err := http.Get(address) //nolint:noctx // bounded by the loop and the test
		if err != nil {
			body = err.Error()
			continue
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		body = res.Status + " " + string(b)
		if err == nil && res.StatusCode == http.StatusOK {
			break
		}
	}
	return body
}
