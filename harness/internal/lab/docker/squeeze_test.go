package docker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

func TestSqueeze(t *testing.T) {
	r := open(t, docker.Config{Binaries: standin(t)})
	_, _, other := start(t, r)
	hold, ok := other.(lab.Squeezer)
	if !ok {
		t.Fatal("a container cannot be squeezed")
	}
	ctx := t.Context()
	held := func() float64 {
		t.Helper()
		before, err := other.Usage(ctx)
		must(t, err)
		_, err = fetch(t, "http://"+other.HostAddr(topology.PortOrigin)+"/burn")
		must(t, err)
		after, err := other.Usage(ctx)
		must(t, err)
		return after.ThrottledSeconds - before.ThrottledSeconds
	}
	must(t, hold.SqueezeCPU(ctx, 0.1))
	if squeezed := held(); squeezed < 0.1 {
		t.Errorf("held back for %.3f s of a burn of 0.3 s with a tenth of a core", squeezed)
	}
	if err := hold.SqueezeCPU(ctx, 0); err == nil {
		t.Error("no core at all was taken")
	}
	must(t, hold.SqueezeMemory(ctx, 32<<20))
	must(t, hold.Release(ctx))
	if released := held(); released > 0.29 { // half a core, as it was made
		t.Errorf("held back for %.3f s after the release", released)
	}
	if killed, err := hold.OOMKilled(ctx); killed || err != nil {
		t.Errorf("killed for want of memory: %v, %v", killed, err)
	}
}

// attach finds the nodes of another process's run, and closes what found them:
// they stay.
func attach(t *testing.T, run string) ([]lab.Node, error) {
	t.Helper()
	r, err := docker.New(t.Context(), docker.Config{RunID: run})
	must(t, err)
	nodes, err := r.Attach(t.Context())
	return nodes, errors.Join(err, r.Close(t.Context()))
}

// down removes another process's run.
func down(run string) ([]string, error) {
	ctx := context.Background() // also for clean-ups
	r, err := docker.New(ctx, docker.Config{RunID: run})
	if err != nil {
		return nil, err
	}
	return r.Down(ctx)
}

// TestAttach breaks and repairs a node that another process has started.
func TestAttach(t *testing.T) {
	open(t, docker.Config{}) // skips where no engine answers
	binaries := standin(t)
	if _, err := attach(t, "no-such-run"); !errors.Is(err, lab.ErrNotUp) {
		t.Errorf("error %v, want ErrNotUp", err)
	}
	kept, kill := otherRun(t, binaries[lab.ProgramHarness], crashEnv+"_KEEP=1")
	kill()
	t.Cleanup(func() {
		if _, err := down(kept); err != nil {
			t.Error(err)
		}
	})
	nodes, err := attach(t, kept)
	must(t, err)
	if len(nodes) != 1 || nodes[0].Name() != "origin" || nodes[0].Role() != topology.RoleOrigin {
		t.Fatalf("found %v", nodes)
	}
	origin := nodes[0]
	answers := func() error { _, err := fetch(t, "http://"+origin.HostAddr(topology.PortOrigin)+"/"); return err }
	eventually(t, "the node answers", answers)
	must(t, origin.CutOff(t.Context()))
	// A second look finds it too, though it is on no network.
	again, err := attach(t, kept)
	must(t, err)
	state, err := again[0].State(t.Context())
	must(t, err)
	if state.Connected || !state.Running {
		t.Errorf("state %+v after a cut-off", state)
	}
	must(t, origin.Reconnect(t.Context()))
	eventually(t, "the node answers again", answers)
	must(t, origin.Kill(t.Context()))
	must(t, origin.Start(t.Context()))
	eventually(t, "the node answers after a restart", answers)
}
