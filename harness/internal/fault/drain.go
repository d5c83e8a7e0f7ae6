package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// KindDrain takes the machine of a node out of service, as for an update of its kernel: it is cordoned, and all nodes of the lab on it
// are evicted but the workers, without which there is no load. When the machine is in use again, the nodes are started again.
const KindDrain = "drain"

type drain struct {
	base
	lab     Lab
	placed  lab.Placed  // the target
	machine lab.Machine // that of the target when the fault is injected
	evicted []lab.Node
}

func makeDrain(s Spec, l Lab) (Fault, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, err
	}
	placed, ok := n.(lab.Placed)
	if !ok {
		return nil, fmt.Errorf("fault %s: all nodes of this runtime are on one machine: want runtime kubernetes", s.Kind)
	}
	return &drain{base: base{s.Kind, s.Target}, lab: l, placed: placed}, nil
}

// EffectWithin leaves the evicted nodes the time that they may take to end.
func (f *drain) EffectWithin() time.Duration { return drainTimeout + 15*time.Second }

// Setup finds out what is on the machine. Evicted nodes lose their data, which only Postgres has to keep.
func (f *drain) Setup(ctx context.Context) error {
	if f.machine = f.placed.Machine(); f.machine == nil {
		return errors.New("the target has not been started")
	}
	cordoned, err := f.machine.Cordoned(ctx)
	if err != nil {
		return err
	}
	if cordoned {
		return fmt.Errorf("machine %s is cordoned already: want one that is in use (kubectl uncordon %[1]s)", f.machine.Name())
	}
	f.evicted = nil
	for _, n := range f.lab.Nodes("") {
		on, ok := n.(lab.Placed)
		if !ok || n.Role() == topology.RoleWorker {
			continue
		}
		if m := on.Machine(); m == nil || m.Name() != f.machine.Name() {
			continue
		}
		if n.Role() == topology.RolePostgres {
			return fmt.Errorf("machine %s also runs %s, whose data ends with its pod: want a target on another machine", f.machine.Name(), n.Name())
		}
		s, err := n.State(ctx)
		if err != nil {
			return err
		}
		if !healthy(s) {
			return fmt.Errorf("%s on machine %s is not healthy before the fault: %s", n.Name(), f.machine.Name(), Describe(s))
		}
		f.evicted = append(f.evicted, n)
	}
	return nil
}

// Inject does what `kubectl drain` does: all nodes are evicted at the same time.
func (f *drain) Inject(ctx context.Context) error {
	if err := f.machine.Cordon(ctx); err != nil {
		return err
	}
	var all errgroup.Group
	for _, n := range f.evicted {
		all.Go(func() error { return n.(lab.Placed).Evict(ctx, drainTimeout) })
	}
	return all.Wait()
}

// Effect is that the machine takes no nodes and has none left.
func (f *drain) Effect(ctx context.Context) error {
	var last string // a look that the deadline cuts short tells nothing
	return until(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		saw, err := f.inUse(ctx)
		if err != nil && last != "" {
			return false, last, nil
		}
		last = saw
		return err == nil && saw == "", saw, err
	})
}

// inUse says in words how the machine is still used; empty: it is not.
func (f *drain) inUse(ctx context.Context) (string, error) {
	cordoned, err := f.machine.Cordoned(ctx)
	if err != nil {
		return "", err
	}
	if !cordoned {
		return fmt.Sprintf("machine %s still takes nodes", f.machine.Name()), nil
	}
	left, err := f.running(ctx)
	if err != nil || len(left) == 0 {
		return "", err
	}
	return fmt.Sprintf("machine %s still runs %s", f.machine.Name(), strings.Join(left, ", ")), nil
}

// running are the names of the evicted nodes that run.
func (f *drain) running(ctx context.Context) (names []string, err error) {
	for _, n := range f.evicted {
		s, err := n.State(ctx)
		if err != nil {
			return nil, err
		}
		if s.Running {
			names = append(names, n.Name())
		}
	}
	return names, nil
}

// Recover has the machine used again and starts what was evicted, also if the machine stays cordoned: then it runs elsewhere.
func (f *drain) Recover(ctx context.Context) error {
	errs := []error{f.machine.Uncordon(ctx)}
	var all errgroup.Group
	for _, n := range f.evicted {
		all.Go(func() error {
			if s, err := n.State(ctx); err != nil || s.Running {
				return err // it was not evicted
			}
			if err := n.Kill(ctx); err != nil { // what remains of one that has not quite ended
				return err
			}
			return n.Start(ctx)
		})
	}
	return errors.Join(append(errs, all.Wait())...)
}

// Recovered is when every node does its work again.
func (f *drain) Recovered(ctx context.Context) error {
	for _, n := range f.evicted {
		if err := f.lab.Ready(ctx, n.Name()); err != nil {
			return err
		}
	}
	return nil
}
