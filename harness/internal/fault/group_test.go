package fault_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// place is a lab of nodes of which some are not ready after their recovery.
type place struct {
	nodes  []lab.Node
	broken string // never ready

	mu    sync.Mutex
	ready []string // in the order in which they were waited for
}

func (p *place) Node(name string) (lab.Node, bool) {
	i := slices.IndexFunc(p.nodes, func(n lab.Node) bool { return n.Name() == name })
	if i < 0 {
		return nil, false
	}
	return p.nodes[i], true
}

func (p *place) Nodes(string) []lab.Node                 { return p.nodes }
func (p *place) Settled(context.Context, string) error   { return nil }
func (p *place) Renew(_ context.Context, _ string) error { return errors.New("not here") }

func (p *place) Ready(_ context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = append(p.ready, name)
	if name == p.broken {
		return errors.New("it does not answer")
	}
	return nil
}

// named is a node of another name than newNode's. A lab wants all of lab.Node, of which faults use a part.
type named struct {
	lab.Node
	*node
	name string
}

func (n named) Name() string                                        { return n.name }
func (n named) Kill(ctx context.Context) error                      { return n.node.Kill(ctx) }
func (n named) Stop(ctx context.Context, grace time.Duration) error { return n.node.Stop(ctx, grace) }
func (n named) Start(ctx context.Context) error                     { return n.node.Start(ctx) }
func (n named) Pause(ctx context.Context) error                     { return n.node.Pause(ctx) }
func (n named) Resume(ctx context.Context) error                    { return n.node.Resume(ctx) }
func (n named) CutOff(ctx context.Context) error                    { return n.node.CutOff(ctx) }
func (n named) Reconnect(ctx context.Context) error                 { return n.node.Reconnect(ctx) }
func (n named) State(ctx context.Context) (lab.State, error)        { return n.node.State(ctx) }

func newPlace() (*place, []*node) {
	p, all := &place{}, []*node{newNode(), newNode(), newNode()}
	for i, name := range []string{"postgres", "gateway-1", "lb"} {
		p.nodes = append(p.nodes, named{node: all[i], name: name})
	}
	return p, all
}

func TestAGroupFallsTogetherAndRecoversInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes := newPlace()
		f, err := fault.Make(fault.Spec{Kind: fault.KindKill, Target: "region-a", Nodes: []string{"postgres", "gateway-1", "lb"}}, p)
		if err != nil {
			t.Fatal(err)
		}
		e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if e.Target != "region-a" || e.Kind != fault.KindKill || e.EffectObservedAt.IsZero() || e.RecoveredAt.IsZero() {
			t.Errorf("event %+v", e)
		}
		for _, n := range nodes {
			if !slices.Equal(n.calls, []string{"kill", "start"}) {
				t.Errorf("calls %v", n.calls)
			}
		}
		if got := strings.Join(p.ready[:3], " "); got != "postgres gateway-1 lb" {
			t.Errorf("recovered in the order %s", got)
		}
	})
}

// One node that does not come back keeps no other from coming back, and is told.
func TestAGroupRecoversWhatItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes := newPlace()
		p.broken = "postgres"
		f, err := fault.Make(fault.Spec{Kind: fault.KindPause, Target: "region-a", Nodes: []string{"postgres", "gateway-1", "lb"}}, p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fault.Run(t.Context(), f, fault.Plan{})
		if err == nil || !strings.Contains(err.Error(), "pause region-a: recover: postgres: it does not answer") {
			t.Errorf("error %v", err)
		}
		for i, n := range nodes {
			if !slices.Equal(n.calls, []string{"pause", "resume"}) {
				t.Errorf("node %d: calls %v", i, n.calls)
			}
		}
	})
}

func TestAGroupRefuses(t *testing.T) {
	p, _ := newPlace()
	for want, s := range map[string]fault.Spec{
		"fault cpu on the nodes of region-a is not allowed: want one of [kill stop pause cut-off]": {
			Kind: fault.KindCPU, Target: "region-a", Nodes: []string{"lb"},
		},
		`fault kill: the lab has no node "redis": want one of postgres, gateway-1, lb`: {
			Kind: fault.KindKill, Target: "region-a", Nodes: []string{"lb", "redis"},
		},
	} {
		if _, err := fault.Make(s, p); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
