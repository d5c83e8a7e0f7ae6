package lab_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// fakeRuntime keeps nodes in memory and notes what happens, in order.
type fakeRuntime struct {
	mu     sync.Mutex
	events []string
	nodes  map[string]bool
	fail   string // the node that does not start
	closed int
}

func (r *fakeRuntime) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *fakeRuntime) Prepare(context.Context, []lab.Spec) error { return nil }

func (r *fakeRuntime) Start(_ context.Context, s lab.Spec) (lab.Node, error) {
	if s.Name == r.fail {
		return nil, errors.New("it does not start")
	}
	r.note("start %s", s.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[s.Name] = true
	return &fakeNode{name: s.Name, role: s.Role}, nil
}

func (r *fakeRuntime) Remove(_ context.Context, n lab.Node) error {
	r.note("remove %s", n.Name())
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, n.Name())
	return nil
}

func (r *fakeRuntime) Info(context.Context) map[string]string {
	return map[string]string{"runtime": "fake"}
}

func (r *fakeRuntime) Sweep(context.Context) ([]string, error) { return nil, nil }

func (r *fakeRuntime) Layout() lab.Layout { return lab.Layout{} }

func (r *fakeRuntime) Attach(context.Context) ([]lab.Node, error) { return nil, lab.ErrNotUp }

func (r *fakeRuntime) Down(context.Context) ([]string, error) { return nil, nil }

func (r *fakeRuntime) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	clear(r.nodes)
	return ctx.Err()
}

// fakeNode is what fakeRuntime makes; methods that a test does not expect panic.
type fakeNode struct {
	lab.Node
	name, role string
}

func (n *fakeNode) Name() string { return n.name }
func (n *fakeNode) Role() string { return n.role }

// HostAddr: nothing is published, so no Ready succeeds.
func (n *fakeNode) HostAddr(int) string { return "" }

// plain is a lab of specs whose readiness is not asked for.
func plain(t *testing.T, r *fakeRuntime, specs ...lab.Spec) *lab.Lab {
	t.Helper()
	l := lab.New(r, lab.Options{})
	for _, s := range specs {
		if _, err := l.Replace(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestReplaceAndDrop(t *testing.T) {
	r := &fakeRuntime{nodes: map[string]bool{}}
	l := plain(t, r, lab.Spec{Name: "gateway-2", Role: topology.RoleGateway}, lab.Spec{Name: "gateway-1", Role: topology.RoleGateway},
		lab.Spec{Name: "redis", Role: topology.RoleRedis})
	if _, err := l.Replace(t.Context(), lab.Spec{Name: "redis", Role: topology.RoleRedis, Args: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"start gateway-2", "start gateway-1", "start redis", "remove redis", "start redis"}
	if !slices.Equal(r.events, want) {
		t.Errorf("events %v, want %v", r.events, want)
	}
	var names []string
	for _, n := range l.Nodes(topology.RoleGateway) {
		names = append(names, n.Name())
	}
	if !slices.Equal(names, []string{"gateway-1", "gateway-2"}) || len(l.Nodes("")) != 3 {
		t.Errorf("gateways %v of %d nodes", names, len(l.Nodes("")))
	}
	if err := l.Drop(t.Context(), "gateway-1"); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Node("gateway-1"); ok || r.nodes["gateway-1"] {
		t.Error("a dropped node is still there")
	}
	if err := l.Drop(t.Context(), "gateway-1"); err == nil || err.Error() != "drop gateway-1: no such node" {
		t.Errorf("dropping it twice: %v", err)
	}
}

func TestFailedStartRemovesAll(t *testing.T) {
	r := &fakeRuntime{nodes: map[string]bool{}, fail: topology.RoleRedis}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Close must work even so
	_, err := topology.Start(ctx, r, topology.Topology{Replicas: 1}, lab.Options{})
	if err == nil || strings.Contains(err.Error(), "close the lab") {
		t.Errorf("error %v", err)
	}
	if r.closed != 1 || len(r.nodes) != 0 {
		t.Errorf("closed %d times, left %v", r.closed, r.nodes)
	}
}

func TestPortsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name  string
		ports map[string]int
		want  string
	}{
		{"no port in the key", map[string]int{"lb": 8000}, `port "lb": want node:port, as lb:8000`},
		{"an unknown node", map[string]int{"gatway-1:8000": 8000}, `port "gatway-1:8000": unknown node "gatway-1"`},
		{"a port that is not published", map[string]int{"redis:8000": 8000}, `port "redis:8000": redis publishes [6379]`},
		{"a port number that cannot be", map[string]int{"lb:8000": 70000}, `port "lb:8000": 70000 is not allowed: want 1 to 65535`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &fakeRuntime{nodes: map[string]bool{}}
			_, err := topology.Start(t.Context(), r, topology.Topology{Replicas: 1}, lab.Options{Ports: c.ports, KnownNode: topology.KnownNode})
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if len(r.events) != 0 {
				t.Errorf("nodes were started: %v", r.events)
			}
		})
	}
}
