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

// machine is a machine of a cluster in memory.
type machine struct {
	name string

	mu       sync.Mutex
	cordoned bool
	deaf     bool // ignores a cordon
	stuck    bool // cannot be uncordoned
}

func (m *machine) Name() string { return m.name }

func (m *machine) Cordoned(context.Context) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cordoned, nil
}

func (m *machine) Cordon(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cordoned {
		return errors.New("machine " + m.name + " is cordoned already")
	}
	m.cordoned = !m.deaf
	return nil
}

func (m *machine) Uncordon(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stuck {
		return errors.New("forbidden")
	}
	m.cordoned = false
	return nil
}

// onMachine is a node that can be evicted from its machine.
type onMachine struct {
	named
	role string
	on   *machine
	kept bool // evictions have no effect
}

func (n onMachine) Role() string         { return n.role }
func (n onMachine) Machine() lab.Machine { return n.on }

func (n onMachine) Evict(ctx context.Context, grace time.Duration) error {
	if n.kept {
		return nil
	}
	return n.node.Stop(ctx, grace)
}

// twoMachines is a lab on m1 (postgres, gateway-1) and m2 (gateway-2, lb, worker).
func twoMachines() (p *place, on map[string]*onMachine) {
	m1, m2 := &machine{name: "m1"}, &machine{name: "m2"}
	p, on = &place{}, map[string]*onMachine{}
	for name, m := range map[string]*machine{"postgres": m1, "gateway-1": m1, "gateway-2": m2, "lb": m2, "worker": m2} {
		n := &onMachine{named: named{node: newNode(), name: name}, role: lab.RoleOf(name), on: m}
		p.nodes, on[name] = append(p.nodes, n), n
	}
	return p, on
}

func TestADrainTakesAllNodesOfAMachineButTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, on := twoMachines()
		f, err := fault.Make(fault.Spec{Kind: fault.KindDrain, Target: "gateway-2"}, p)
		if err != nil {
			t.Fatal(err)
		}
		m := on["gateway-2"].on
		during := false // it was cordoned
		e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: 3 * time.Second, OnStep: func(step string, _ fault.Event) {
			if step == fault.StepEffect {
				during, _ = m.Cordoned(t.Context())
			}
		}})
		if err != nil || e.Target != "gateway-2" || e.EffectObservedAt.IsZero() || e.RecoveredAt.IsZero() {
			t.Fatalf("event %+v, %v", e, err)
		}
		for name, n := range on {
			var want []string
			if name == "gateway-2" || name == "lb" {
				want = []string{"stop", "kill", "start"}
			}
			if !slices.Equal(n.calls, want) {
				t.Errorf("%s: calls %v, want %v", name, n.calls, want)
			}
		}
		if after, _ := m.Cordoned(t.Context()); !during || after {
			t.Errorf("cordoned during the fault: %v, afterwards: %v", during, after)
		}
		slices.Sort(p.ready)
		if !slices.Equal(p.ready, []string{"gateway-2", "lb"}) {
			t.Errorf("waited for %v", p.ready)
		}
	})
}

// A drain without its effect fails, and leaves everything as it was.
func TestADrainWithoutEffect(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(gateway *onMachine)
		want string
	}{
		{name: "the machine is still used", do: func(n *onMachine) { n.on.deaf = true }, want: "machine m2 still takes nodes"},
		{name: "a node stays", do: func(n *onMachine) { n.kept = true }, want: "machine m2 still runs gateway-2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, on := twoMachines()
				row.do(on["gateway-2"])
				f, err := fault.Make(fault.Spec{Kind: fault.KindDrain, Target: "gateway-2"}, p)
				if err != nil {
					t.Fatal(err)
				}
				_, err = fault.Run(t.Context(), f, fault.Plan{})
				if !errors.Is(err, fault.ErrNoEffect) || !strings.Contains(err.Error(), row.want) {
					t.Errorf("error %v, want no effect and %q", err, row.want)
				}
				if cordoned, _ := on["lb"].on.Cordoned(t.Context()); cordoned || !on["lb"].state.Running || !on["gateway-2"].state.Running {
					t.Errorf("it is left cordoned: %v, lb %+v, gateway-2 %+v", cordoned, on["lb"].state, on["gateway-2"].state)
				}
			})
		})
	}
}

// What was evicted is started also if the machine stays out of service.
func TestADrainStartsNodesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, on := twoMachines()
		on["lb"].on.stuck = true
		f, err := fault.Make(fault.Spec{Kind: fault.KindDrain, Target: "lb"}, p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fault.Run(t.Context(), f, fault.Plan{}); err == nil || !strings.Contains(err.Error(), "recover: forbidden") {
			t.Errorf("error %v, want that the machine stays cordoned", err)
		}
		if !on["lb"].state.Running || !on["gateway-2"].state.Running {
			t.Errorf("lb %+v, gateway-2 %+v", on["lb"].state, on["gateway-2"].state)
		}
	})
}

func TestADrainRefuses(t *testing.T) {
	p, on := twoMachines()
	for _, row := range []struct{ name, target, want string }{
		{name: "the machine of the database", target: "gateway-1", want: "machine m1 also runs postgres, whose data ends with its pod"},
		{name: "a machine that is cordoned", target: "lb", want: "machine m2 is cordoned already"},
	} {
		t.Run(row.name, func(t *testing.T) {
			on["lb"].on.cordoned = true
			f, err := fault.Make(fault.Spec{Kind: fault.KindDrain, Target: row.target}, p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fault.Run(t.Context(), f, fault.Plan{}); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
			if on["lb"].state != (lab.State{Running: true, Connected: true}) {
				t.Errorf("lb is %+v", on["lb"].state)
			}
		})
	}
	one, _ := newPlace()
	if _, err := fault.Make(fault.Spec{Kind: fault.KindDrain, Target: "lb"}, one); err == nil ||
		!strings.Contains(err.Error(), "all nodes of this runtime are on one machine: want runtime kubernetes") {
		t.Errorf("on one machine: %v", err)
	}
}
