package docker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// start starts redis and two stand-ins as origin and worker.
func start(t *testing.T, r *docker.Runtime) (redis, origin, other lab.Node) {
	t.Helper()
	wanted := topology.Topology{Resources: map[string]topology.Resources{topology.RoleOrigin: {CPUs: 0.5, Memory: 64 << 20}}}
	first := topology.Origin(wanted, lab.Layout{}, 1)
	first.Files = map[string][]byte{"/etc/standin/hello": []byte("hello")}
	second := topology.Origin(wanted, lab.Layout{}, 1)
	second.Name = "other"
	nodes := make([]lab.Node, 3)
	for i, s := range []lab.Spec{topology.Redis(wanted, lab.Layout{}, 1), first, second} {
		n, err := r.Start(t.Context(), s)
		must(t, err)
		eventually(t, s.Name+" ready", func() error { return s.Ready(t.Context(), n) })
		nodes[i] = n
	}
	return nodes[0], nodes[1], nodes[2]
}

// TestNodeLifecycle does to a node whatever a scenario may do to it.
func TestNodeLifecycle(t *testing.T) {
	r := open(t, docker.Config{Binaries: standin(t)})
	redis, origin, other := start(t, r)
	ctx := t.Context()
	address := origin.HostAddr(topology.PortOrigin)
	answers := func() error { _, err := fetch(t, "http://"+address+"/"); return err }
	must(t, answers())
	must(t, reachable(t, other, origin.Addr(topology.PortOrigin)))
	must(t, reachable(t, origin, redis.Addr(topology.PortRedis)))
	if got := origin.HostAddr(1); got != "" {
		t.Errorf("an unpublished port is at %q", got)
	}

	t.Run("kill and start", func(t *testing.T) {
		must(t, origin.Kill(ctx))
		if running, err := origin.Running(ctx); running || err != nil {
			t.Errorf("running %v, %v after a kill", running, err)
		}
		state, err := origin.State(ctx)
		must(t, err)
		if state.ExitCode != 137 {
			t.Errorf("exit code %d, want 137 (SIGKILL)", state.ExitCode)
		}
		if answers() == nil {
			t.Error("a killed node answers")
		}
		must(t, origin.Start(ctx))
		eventually(t, "the node answers where it did", answers)
		eventually(t, "by its name too", func() error { return reachable(t, other, origin.Addr(topology.PortOrigin)) })
	})
	t.Run("pause and resume", func(t *testing.T) {
		must(t, redis.Pause(ctx))
		state, err := redis.State(ctx)
		must(t, err)
		ready := topology.Redis(topology.Topology{}, lab.Layout{}, 1).Ready
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		if !state.Running || !state.Paused || ready(short, redis) == nil {
			t.Errorf("state %+v after a pause, or redis answered", state)
		}
		must(t, redis.Resume(ctx))
		eventually(t, "redis answers again", func() error { return ready(ctx, redis) })
	})
	t.Run("cut off and reconnect", func(t *testing.T) {
		must(t, origin.CutOff(ctx))
		state, err := origin.State(ctx)
		must(t, err)
		if state.Connected || !state.Running || reachable(t, other, origin.Addr(topology.PortOrigin)) == nil {
			t.Errorf("state %+v after a cut-off, or it can still be reached", state)
		}
		must(t, origin.Reconnect(ctx))
		eventually(t, "the node is reached by name", func() error { return reachable(t, other, origin.Addr(topology.PortOrigin)) })
		eventually(t, "the node is reached from outside", answers)
	})
	t.Run("stop ends it politely", func(t *testing.T) {
		must(t, redis.Stop(ctx, 3*time.Second))
		state, err := redis.State(ctx)
		must(t, err)
		if state.Running || state.ExitCode != 0 {
			t.Errorf("state %+v, want a clean exit", state)
		}
	})
	t.Run("logs", func(t *testing.T) {
		text, err := origin.Logs(ctx)
		if err != nil || !strings.Contains(text, "standin origin --listen=:9000") {
			t.Errorf("logs %q, %v", text, err)
		}
	})
}

func TestUsage(t *testing.T) {
	r := open(t, docker.Config{Binaries: standin(t)})
	_, origin, _ := start(t, r)
	before, err := origin.Usage(t.Context())
	must(t, err)
	_, err = fetch(t, "http://"+origin.HostAddr(topology.PortOrigin)+"/burn")
	must(t, err)
	after, err := origin.Usage(t.Context())
	must(t, err)
	// 300 ms of spinning with half a core: some 150 ms of it on a processor.
	if used := after.CPUSeconds - before.CPUSeconds; used < 0.05 || used > 0.3 {
		t.Errorf("used %.3f s of CPU, want some 0.15", used)
	}
	// On a busy machine the node may not get as much as its limit: then it is not held back, and spins again.
	held := after
	eventually(t, "the node is held back by its limit", func() error {
		if held.ThrottledSeconds > before.ThrottledSeconds {
			return nil
		}
		if _, err := fetch(t, "http://"+origin.HostAddr(topology.PortOrigin)+"/burn"); err != nil {
			return err
		}
		if held, err = origin.Usage(t.Context()); err != nil {
			return err
		}
		return fmt.Errorf("before %+v, now %+v", before, held)
	})
	if after.MemoryBytes < 100<<10 || after.MemoryBytes > 64<<20 || after.MemoryPeakBytes < after.MemoryBytes {
		t.Errorf("memory %d, peak %d", after.MemoryBytes, after.MemoryPeakBytes)
	}
	must(t, origin.Kill(t.Context()))
	dead, err := origin.Usage(t.Context())
	must(t, err)
	if dead.CPUSeconds < after.CPUSeconds || dead.MemoryBytes != 0 {
		t.Errorf("usage %+v of a killed node that had used %+v", dead, after)
	}
	must(t, origin.Start(t.Context()))
	eventually(t, "usage goes on from what it was", func() error {
		again, err := origin.Usage(t.Context())
		if err == nil && again.CPUSeconds <= dead.CPUSeconds {
			err = fmt.Errorf("%.4f s after a restart, %.4f s before", again.CPUSeconds, dead.CPUSeconds)
		}
		return err
	})
}

const crashEnv = "GATELAB_TEST_CRASH"

// TestMain plays the run that crashes when TestSweep asks for it.
func TestMain(m *testing.M) {
	if binary := os.Getenv(crashEnv); binary != "" {
		crash(binary)
	}
	os.Exit(m.Run())
}

// crash starts a node, says which run it is and waits to be killed.
func crash(binary string) {
	r, err := docker.New(context.Background(), docker.Config{
		Binaries: map[string]string{lab.ProgramHarness: binary}, Keep: os.Getenv(crashEnv+"_KEEP") != "",
	})
	if err == nil {
		_, err = r.Start(context.Background(), topology.Origin(topology.Topology{}, lab.Layout{}, 1))
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("run", r.RunID())
	time.Sleep(time.Minute)
	os.Exit(1)
}

// otherRun starts another process with a lab and returns its run id and a
// function that kills it.
func otherRun(t *testing.T, binary string, env ...string) (string, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), crashEnv+"="+binary), env...)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill := func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	id, ok := strings.CutPrefix(strings.TrimSpace(line), "run ")
	if err != nil || !ok {
		t.Fatalf("the other run said %q, %v", line, err)
	}
	return id, kill
}

func TestSweep(t *testing.T) {
	binaries := standin(t)
	r := open(t, docker.Config{Binaries: binaries})
	start(t, r)
	left := func(id string) []string {
		t.Helper()
		names, err := r.Left(t.Context(), id)
		must(t, err)
		return names
	}
	t.Cleanup(func() { // after the other processes have ended
		if _, err := r.Sweep(context.Background()); err != nil {
			t.Errorf("sweep: %v", err)
		}
	})
	living, _ := otherRun(t, binaries[lab.ProgramHarness])
	dead, kill := otherRun(t, binaries[lab.ProgramHarness])
	kept, killKept := otherRun(t, binaries[lab.ProgramHarness], crashEnv+"_KEEP=1")
	kill()
	killKept()
	if len(left(dead)) != 2 {
		t.Fatalf("the dead run left %v, want a container and a network", left(dead))
	}

	removed, err := r.Sweep(t.Context())
	must(t, err)
	if !slices.Contains(removed, "gatelab-"+dead) || !slices.Contains(removed, "gatelab-"+dead+"-origin") {
		t.Errorf("removed %v, want what run %s left", removed, dead)
	}
	for id, want := range map[string]int{dead: 0, living: 2, kept: 2, r.RunID(): 4} {
		if got := left(id); len(got) != want {
			t.Errorf("run %s has %v, want %d", id, got, want)
		}
	}
	removed, err = down(kept)
	must(t, err)
	if len(removed) != 2 || len(left(kept)) != 0 || len(left(living)) != 2 {
		t.Errorf("down removed %v, left %v", removed, left(kept))
	}
}

func TestNoEngine(t *testing.T) {
	// testcontainers remembers the engine it found: another process must look.
	if os.Getenv("GATELAB_TEST_NO_ENGINE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoEngine$", "-test.v")
		cmd.Env = append(os.Environ(), "GATELAB_TEST_NO_ENGINE=1", "DOCKER_HOST=unix:///nonexistent/docker.sock")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	_, err := docker.New(t.Context(), docker.Config{})
	if !errors.Is(err, docker.ErrNoEngine) || !errors.Is(err, lab.ErrUnavailable) {
		t.Errorf("error %v, want ErrNoEngine", err)
	}
	if err := docker.Driver().Available(t.Context()); !errors.Is(err, lab.ErrUnavailable) {
		t.Errorf("available: %v, want that it is not", err)
	}
	t.Log(err)
}
