package host

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// doomedEnv makes the test program play a harness that is going to be killed;
// its value is the path of the harness's binary, and doomedKeep says whether
// the lab is to stay.
const (
	doomedEnv  = "GATELAB_TEST_DOOMED"
	doomedKeep = "GATELAB_TEST_DOOMED_KEEP"
)

// doomed starts nodes and waits for its end, which never comes by itself but
// for the time limit.
func doomed() {
	r, err := New(context.Background(), Config{
		Binaries: map[string]string{lab.ProgramHarness: os.Getenv(doomedEnv)}, Keep: os.Getenv(doomedKeep) != "",
	})
	if err != nil {
		panic(err)
	}
	specs := []lab.Spec{topology.Postgres(topology.Topology{}, r.Layout()), topology.Redis(topology.Topology{}, r.Layout(), 1)}
	balancer, err := topology.Balancer(topology.Topology{Replicas: 1}, r.Layout(), 1)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := r.Prepare(ctx, specs); err != nil {
		panic(err)
	}
	l := lab.New(r, lab.Options{Layout: r.Layout()})
	for _, s := range append(specs, balancer) {
		if err := r.Prepare(ctx, []lab.Spec{s}); err != nil {
			panic(err)
		}
		if _, err := l.Replace(ctx, s); err != nil {
			panic(err)
		}
	}
	println("up " + r.dir.path)
	time.Sleep(2 * time.Minute)
}

// killHarness starts a harness, waits until its lab is up and kills it.
func killHarness(t *testing.T, keep string) (folder string) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), doomedEnv+"="+binaries(t)[lab.ProgramHarness], doomedKeep+"="+keep)
	out, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var ok bool
		if folder, ok = strings.CutPrefix(lines.Text(), "up "); ok {
			break
		}
		t.Log(lines.Text())
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if folder == "" {
		t.Fatal("the lab did not come up")
	}
	if len(within(folder)) < 5 {
		t.Fatalf("processes %v outlived their harness: want Postgres, Redis and nginx with their children", within(folder))
	}
	return folder
}

func TestKilledHarnessIsSweptByTheNextRun(t *testing.T) {
	place(t)
	folder := killHarness(t, "")
	r, err := New(t.Context(), Config{})
	must(t, err)
	removed, err := r.Sweep(t.Context())
	must(t, err)
	for i, role := range []string{topology.RoleBalancer, topology.RolePostgres, topology.RoleRedis} {
		// The number is that of the run among those of this machine: others may be there.
		if len(removed) != 3 || !strings.HasSuffix(removed[i], "/"+role) {
			t.Errorf("removed %q", removed)
			break
		}
	}
	if left := within(folder); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if _, err := os.Stat(filepath.Join(folder, topology.RolePostgres)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its files are left: %v", err)
	}
	must(t, r.Close(t.Context()))
}

func TestKeptLabStaysUntilDown(t *testing.T) {
	place(t)
	folder := killHarness(t, "yes")
	r, err := New(t.Context(), Config{})
	must(t, err)
	removed, err := r.Sweep(t.Context())
	must(t, err)
	if len(removed) > 0 || len(within(folder)) == 0 {
		t.Errorf("sweep removed %v", removed)
	}
	removed, err = r.Down(t.Context())
	must(t, errors.Join(err, r.Close(t.Context())))
	if len(removed) != 3 || len(within(folder)) > 0 {
		t.Errorf("down removed %v and left processes %v", removed, within(folder))
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder is left: %v", err)
	}
}

func TestLivingRunIsLeftAlone(t *testing.T) {
	place(t)
	one, err := New(t.Context(), Config{})
	must(t, err)
	other, err := New(t.Context(), Config{})
	must(t, err)
	if one.dir.path == other.dir.path {
		t.Error("two runs share a folder")
	}
	_, err = other.Sweep(t.Context())
	must(t, err)
	if _, err := os.Stat(one.dir.path); err != nil {
		t.Errorf("a living run was swept: %v", err)
	}
	must(t, errors.Join(one.Close(t.Context()), other.Close(t.Context()), one.Close(t.Context())))
}

// owner0 says whether root owns a file.
func owner0(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Uid == 0
}
