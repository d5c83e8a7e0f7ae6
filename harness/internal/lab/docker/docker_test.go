package docker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// standin builds the program that plays gateway and harness.
func standin(t *testing.T) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "standin")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./testdata/standin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v\n%s", err, out)
	}
	return map[string]string{lab.ProgramGateway: path, lab.ProgramHarness: path}
}

// open connects to the engine. Where none answers there is nothing to test:
// the one reason for which these tests are skipped.
func open(t *testing.T, c docker.Config) *docker.Runtime {
	t.Helper()
	c.Progress = func(line string) { t.Log(line) }
	r, err := docker.New(t.Context(), c)
	if errors.Is(err, docker.ErrNoEngine) {
		t.Skipf("not tested: containers started, killed, restarted, paused, cut off, measured and swept: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func fetch(t *testing.T, target string) (string, error) {
	t.Helper()
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(target)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	return strings.TrimSpace(string(body)), err
}

// reachable asks node for whether it can dial an address of another.
func reachable(t *testing.T, from lab.Node, addr string) error {
	t.Helper()
	_, err := fetch(t, "http://"+from.HostAddr(topology.PortOrigin)+"/dial?addr="+url.QueryEscape(addr))
	return err
}

// eventually waits until f returns nil.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for range 100 {
		if err = f(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s: %v", what, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nothingLeft(t *testing.T, r *docker.Runtime) {
	t.Helper()
	left, err := r.Left(context.Background(), r.RunID())
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
