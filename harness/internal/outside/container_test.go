package outside_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/harness/internal/outside"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// running starts a container; to the faults it is one that no lab made.
func running(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "standin")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "../lab/docker/testdata/standin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v\n%s", err, out)
	}
	r, err := docker.New(t.Context(), docker.Config{Binaries: map[string]string{lab.ProgramHarness: path}})
	if errors.Is(err, lab.ErrUnavailable) {
		t.Skipf("not tested: a container killed, paused, cut off and squeezed: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	s := topology.Origin(topology.Topology{
		Resources: map[string]topology.Resources{topology.RoleOrigin: {CPUs: 0.5, Memory: 64 << 20}},
	}, lab.Layout{}, 1)
	_, err = r.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return "gatelab-" + r.RunID() + "-" + s.Name
}

func TestFaultsOfAnyContainer(t *testing.T) {
	name := running(t)
	state := func() lab.State {
		n, err := docker.Container(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := n.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, kind := range []string{fault.KindPause, fault.KindCutOff, fault.KindKill, fault.KindStop, fault.KindRestart} {
		t.Run(kind, func(t *testing.T) {
			f, err := outside.NewContainerFault(t.Context(), fault.Spec{Kind: kind, Target: name})
			if err != nil {
				t.Fatal(err)
			}
			e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: 100 * time.Millisecond})
			if err != nil || e.EffectObservedAt.IsZero() || e.RecoveredAt.IsZero() {
				t.Fatalf("%+v, %v", e, err)
			}
			if s := state(); !s.Running || s.Paused || !s.Connected {
				t.Errorf("afterwards %s", fault.Describe(s))
			}
		})
	}
}

func TestContainerFaultsThatAreNotPossible(t *testing.T) {
	name := running(t)
	for _, c := range []struct{ name, kind, target, want string }{
		{name: "of a link", kind: fault.KindLatency, target: name, want: "--proxy HOST:PORT"},
		{name: "misspelt", kind: "puase", target: name, want: `did you mean "pause"`},
		{name: "no such container", kind: fault.KindKill, target: "nosuch", want: "`docker ps` lists"},
	} {
		_, err := outside.NewContainerFault(t.Context(), fault.Spec{Kind: c.kind, Target: c.target})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
