package kubernetes

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

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// reach names the cluster that GATELAB_TEST_KUBECONFIG names to the runtime.
func reach(t *testing.T) {
	t.Helper()
	path := os.Getenv("GATELAB_TEST_KUBECONFIG")
	if path == "" {
		t.Skip("GATELAB_TEST_KUBECONFIG names no cluster (make kube-up): pods started, killed, cut off, evicted, measured and swept, " +
			"and several workers, are not tested")
	}
	t.Setenv("KUBECONFIG", path)
}

// open connects to the cluster, with a stand-in for our own programs.
func open(t *testing.T, runID string) *Runtime {
	t.Helper()
	reach(t)
	return openWith(t, lab.RuntimeConfig{RunID: runID}, "../docker/testdata/standin")
}

// openWith has a program in place of ours, by its folder.
func openWith(t *testing.T, config lab.RuntimeConfig, folder string) *Runtime {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, folder)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, out)
	}
	config.Binaries = map[string]string{lab.ProgramHarness: program}
	config.Progress = func(line string) { t.Log(line) }
	r, err := New(t.Context(), Config{}, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		list, err := r.api.spaces().List(ctx, meta.ListOptions{LabelSelector: labelLab + "=" + r.config.RunID})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("%d namespaces are left behind, %v", len(list.Items), err)
		}
	})
	return r
}

const port = 9000

// standin is a node of the stand-in.
func standin(name, role string) lab.Spec {
	return lab.Spec{
		Name: name, Role: role, Program: lab.ProgramHarness, Args: []string{role, fmt.Sprintf("--listen=:%d", port)}, Ports: []int{port},
		Files: map[string][]byte{"/etc/gatelab.conf": []byte("x")}, CPUs: 0.5,
		Ready: func(_ context.Context, n lab.Node) error { _, err := fetch(n, "/"); return err },
	}
}

func fetch(n lab.Node, path string) (string, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + n.HostAddr(port) + path)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	return string(body), err
}

// reaches says whether one node can dial another, by its name and its service.
func reaches(from, to lab.Node) error {
	_, err := fetch(from, "/dial?addr="+url.QueryEscape(to.Addr(port)))
	return err
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLab takes a lab of two nodes through what a run does with them.
func TestLab(t *testing.T) {
	r := open(t, "")
	began := time.Now()
	l, err := lab.Start(t.Context(), r, []lab.Spec{standin("origin", "origin"), standin("worker", roleWorker)}, lab.Options{})
	must(t, err)
	t.Logf("two nodes are ready after %.1f s: %v", time.Since(began).Seconds(), l.Info(t.Context()))
	origin, _ := l.Node("origin")
	worker, _ := l.Node("worker")
	eventually(t, "the worker reaches the origin by its name", func() error { return reaches(worker, origin) })

	text, err := origin.Logs(t.Context())
	if err != nil || !strings.HasPrefix(text, "standin origin") {
		t.Errorf("its log is %q, %v", text, err)
	}
	t.Run("usage", func(t *testing.T) { wantUsage(t, origin) })
	t.Run("killed and started again", func(t *testing.T) {
		addr := origin.HostAddr(port)
		must(t, origin.Kill(t.Context()))
		if running, err := origin.Running(t.Context()); running || err != nil {
			t.Errorf("after the kill it runs: %v, %v", running, err)
		}
		if _, err := fetch(origin, "/"); err == nil {
			t.Error("after the kill it answers")
		}
		if text, err := origin.Logs(t.Context()); err != nil || !strings.HasPrefix(text, "standin origin") {
			t.Errorf("the log of the killed node is %q, %v", text, err)
		}
		must(t, origin.Start(t.Context()))
		must(t, l.Ready(t.Context(), "origin"))
		if origin.HostAddr(port) != addr {
			t.Errorf("it is at %s now, and was at %s", origin.HostAddr(port), addr)
		}
		eventually(t, "the worker reaches it again", func() error { return reaches(worker, origin) })
	})
	t.Run("cut off and connected again", func(t *testing.T) {
		must(t, origin.CutOff(t.Context()))
		if s, err := origin.State(t.Context()); err != nil || s.Connected || !s.Running {
			t.Errorf("cut off it is %+v, %v", s, err)
		}
		eventually(t, "the worker does not reach a node that is cut off", func() error {
			if reaches(worker, origin) == nil {
				return errors.New("it does")
			}
			return nil
		})
		must(t, origin.Reconnect(t.Context()))
		eventually(t, "connected again it is reached", func() error { return reaches(worker, origin) })
	})
	must(t, l.Drop(t.Context(), "origin"))
	must(t, l.Close(t.Context()))
}

func wantUsage(t *testing.T, n lab.Node) {
	t.Helper()
	before, err := n.Usage(t.Context())
	must(t, err)
	for range 3 {
		_, err := fetch(n, "/burn")
		must(t, err)
	}
	after, err := n.Usage(t.Context())
	must(t, err)
	// Three times 300 ms on half a core; a busy machine gives it less than that.
	if used := after.CPUSeconds - before.CPUSeconds; used < 0.1 || after.MemoryBytes == 0 {
		t.Errorf("burning took %.2f s of CPU time, memory %d", used, after.MemoryBytes)
	}
}

// TestSweep: what a process left that was killed goes at the next run, and no living run's.
func TestSweep(t *testing.T) {
	living := open(t, "")
	must(t, living.Prepare(t.Context(), nil))
	dead := open(t, "")
	must(t, dead.Prepare(t.Context(), nil))
	space, err := dead.api.spaces().Get(t.Context(), dead.space, meta.GetOptions{})
	must(t, err)
	space.Annotations["gatelab.start"] = "1" // of a process that had this number before
	_, err = dead.api.spaces().Update(t.Context(), space, meta.UpdateOptions{})
	must(t, err)

	next := open(t, "")
	removed, err := next.Sweep(t.Context())
	must(t, err)
	if len(removed) != 1 || removed[0] != "namespace "+dead.space {
		t.Errorf("removed: %v, want the namespace %s alone", removed, dead.space)
	}
	if _, err := living.api.spaces().Get(t.Context(), living.space, meta.GetOptions{}); err != nil {
		t.Errorf("the living run's namespace: %v", err)
	}
}
