package assess

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/load/engine"
	"github.com/gatelab/gatelab/internal/testenv"
)

// workerEnv makes this test's binary a worker, so that it can be delayed like a
// process of its own.
const workerEnv = "GATELAB_TEST_WORKER"

func TestMain(m *testing.M) {
	if addr := os.Getenv(workerEnv); addr != "" {
		runtime.GOMAXPROCS(1)
		if err := engine.Serve(context.Background(), engine.WorkerConfig{Listen: addr}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// inProcess is a worker within the test.
func inProcess(t *testing.T) *load.Client {
	t.Helper()
	w := engine.NewWorker(nil)
	s := httptest.NewServer(w.Handler())
	t.Cleanup(func() { w.Close(); s.Close() })
	return load.NewClient(s.URL)
}

// child is a worker in a process of its own.
func child(t *testing.T) (*load.Client, *os.Process) {
	t.Helper()
	addr := testenv.FreeAddr(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+addr)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			t.Log("worker: " + lines.Text())
		}
		_ = cmd.Wait()
	})
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get("http://" + addr + "/health")
		if err == nil {
			res.Body.Close()
			return load.NewClient("http://" + addr), cmd.Process
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
