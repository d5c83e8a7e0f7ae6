package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// attachAny finds the nodes of the stack that another process left, and closes
// what found them: they stay.
func attachAny(t *testing.T) ([]lab.Node, error) {
	t.Helper()
	r, err := New(t.Context(), Config{})
	must(t, err)
	nodes, err := r.Attach(t.Context())
	return nodes, errors.Join(err, r.Close(t.Context()))
}

// attached is the node of that name in the stack that another process left.
func attached(t *testing.T, name string) *node {
	t.Helper()
	nodes, err := attachAny(t)
	must(t, err)
	for _, n := range nodes {
		if n.Name() == name {
			return n.(*node)
		}
	}
	t.Fatalf("no %s among %d nodes", name, len(nodes))
	return nil
}

// TestAttachedNodesAreBrokenAndMended: a stack whose harness is dead is found,
// and its nodes are killed, held, stopped and started by another process; a
// third one finds what the second one started.
func TestAttachedNodesAreBrokenAndMended(t *testing.T) {
	place(t)
	folder := killHarness(t, "yes")
	t.Cleanup(func() {
		ctx := context.Background() // a clean-up
		r, err := New(ctx, Config{})
		must(t, err)
		if _, err := r.Down(ctx); err != nil {
			t.Errorf("down: %v", err)
		}
		must(t, r.Close(ctx))
	})
	nodes, err := attachAny(t)
	must(t, err)
	if len(nodes) != 3 {
		t.Fatalf("%d nodes, want Postgres, Redis and the balancer", len(nodes))
	}
	for _, n := range nodes {
		s, err := n.State(t.Context())
		must(t, err)
		if !s.Running || s.Paused || !s.Connected {
			t.Errorf("%s is %s", n.Name(), fault.Describe(s))
		}
		must(t, topology.ReadyByRole(t.Context(), n))
		if u, err := n.Usage(t.Context()); err != nil || u.MemoryBytes == 0 {
			t.Errorf("%s uses %+v: %v", n.Name(), u, err)
		}
	}
	t.Run("the record of how they are started is private", func(t *testing.T) {
		info, err := os.Stat(filepath.Join(folder, topology.RolePostgres, recordFile))
		must(t, err)
		if uid, _ := ownerOf(info); info.Mode().Perm() != 0o600 || uid != os.Geteuid() {
			t.Errorf("mode %v of user %d", info.Mode(), uid)
		}
	})
	for _, name := range []string{topology.RolePostgres, topology.RoleBalancer} { // with children, and one that stops on SIGQUIT
		t.Run(name+" is killed and started again", func(t *testing.T) {
			n := attached(t, name)
			before := n.process.pid
			must(t, n.Kill(t.Context()))
			if s, _ := n.State(t.Context()); s.Running || len(within(n.dir)) > 0 {
				t.Errorf("it is %s, processes %v", fault.Describe(s), within(n.dir))
			}
			must(t, n.Start(t.Context()))
			must(t, topology.ReadyByRole(t.Context(), n))
			again := attached(t, name)
			if again.process.pid == before || again.process.pid != n.process.pid {
				t.Errorf("process %d before, %d now, %d found", before, n.process.pid, again.process.pid)
			}
			must(t, again.Stop(t.Context(), 5*time.Second))
			// n has started the process: it knows of its end once a goroutine has waited for it.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if !n.process.ended(ctx) {
				t.Error("it runs though it was stopped")
			}
			must(t, again.Start(t.Context()))
			must(t, topology.ReadyByRole(t.Context(), again))
		})
	}
	t.Run("redis is held and let go", func(t *testing.T) {
		n := attached(t, topology.RoleRedis)
		must(t, n.Pause(t.Context()))
		if s, _ := attached(t, topology.RoleRedis).State(t.Context()); !s.Paused {
			t.Errorf("it is %s", fault.Describe(s))
		}
		must(t, n.Resume(t.Context()))
		must(t, topology.ReadyByRole(t.Context(), n))
	})
	t.Run("a record of another user is rejected", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can make another user's file, as a node of root's stack could")
		}
		must(t, os.Chown(filepath.Join(folder, topology.RoleRedis, recordFile), nobody, nobody))
		if _, err := attachAny(t); !errors.Is(err, os.ErrPermission) {
			t.Errorf("it was taken: %v", err)
		}
	})
}

func TestNothingToAttachTo(t *testing.T) {
	place(t)
	if _, err := attachAny(t); !errors.Is(err, lab.ErrNotUp) {
		t.Errorf("without any run: %v", err)
	}
	r := open(t, Config{})
	if _, err := attachAny(t); !errors.Is(err, lab.ErrNotUp) {
		t.Errorf("beside a run that does not stay (%s): %v", r.dir.path, err)
	}
}
