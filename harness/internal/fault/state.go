package fault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// stateChange is a fault that shows in a node's state: how it is made and undone,
// and whether a state shows it.
type stateChange struct {
	inject, recover func(context.Context) error
	broken          func(lab.State) bool
}

// stateChanges are the faults that show in a node's state, by kind.
func stateChanges() map[string]func(Node) stateChange {
	return map[string]func(Node) stateChange{
		KindKill: kill, KindStop: stop, KindRestart: restart, KindPause: pause, KindCutOff: cutOff,
	}
}

// stateFault is a fault whose effect shows in the node's state.
type stateFault struct {
	stateChange
	kind  string
	node  Node
	ready func(context.Context) error // may be nil
}

var _ Fault = (*stateFault)(nil)

// New makes a fault of a kind that shows in a node's state. ready tells whether
// the node does its work again after it recovered; it may be nil.
func New(kind string, n Node, ready func(context.Context) error) (Fault, error) {
	change, ok := stateChanges()[kind]
	if !ok {
		known := slices.Sorted(maps.Keys(stateChanges()))
		return nil, fmt.Errorf("unknown fault %q: want %s", kind, strings.Join(known, ", "))
	}
	return &stateFault{stateChange: change(n), kind: kind, node: n, ready: ready}, nil
}

func makeStateFault(s Spec, l Lab) (Fault, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, err
	}
	return New(s.Kind, n, func(ctx context.Context) error { return l.Ready(ctx, s.Target) })
}

// EffectWithin leaves a node that drains the time it may take.
func (f *stateFault) EffectWithin() time.Duration { return drainTimeout + 5*time.Second }

func (f *stateFault) Kind() string   { return f.kind }
func (f *stateFault) Target() string { return f.node.Name() }

// healthy is a node that none of the faults affects.
func healthy(s lab.State) bool { return s.Running && !s.Paused && s.Connected }

// Setup rejects a node that is broken already: what would be observed then would
// not be the effect of this fault.
func (f *stateFault) Setup(ctx context.Context) error {
	s, err := f.node.State(ctx)
	if err != nil {
		return err
	}
	if !healthy(s) {
		return fmt.Errorf("the target is not healthy before the fault: %s", Describe(s))
	}
	return nil
}

func (f *stateFault) Inject(ctx context.Context) error { return f.inject(ctx) }

func (f *stateFault) Effect(ctx context.Context) error { return f.await(ctx, f.broken) }

// Recover undoes the fault only if it is in effect: an injection may have failed
// half way.
func (f *stateFault) Recover(ctx context.Context) error {
	s, err := f.node.State(ctx)
	if err == nil && !f.broken(s) {
		return nil
	}
	return f.recover(ctx)
}

func (f *stateFault) Recovered(ctx context.Context) error {
	if err := f.await(ctx, healthy); err != nil {
		return err
	}
	if f.ready == nil {
		return nil
	}
	return f.ready(ctx)
}

// Cleanup has nothing to do: Setup makes nothing.
func (f *stateFault) Cleanup(context.Context) error { return nil }

// await polls the node's state until it is as wanted. The interval is the
// resolution of the observed times.
func (f *stateFault) await(ctx context.Context, want func(lab.State) bool) error {
	var last string // a look that the deadline cuts short tells nothing
	return until(ctx, 10*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		s, err := f.node.State(ctx)
		if err == nil {
			last = "the node is still " + Describe(s)
			return want(s), last, nil
		}
		if last != "" {
			return false, last, nil
		}
		return false, "", err
	})
}

// Describe is a state in words.
func Describe(s lab.State) string {
	words := []string{"running"}
	if !s.Running {
		words[0] = fmt.Sprintf("ended with exit code %d", s.ExitCode)
	}
	if s.Paused {
		words = append(words, "paused")
	}
	if !s.Connected {
		words = append(words, "off the network")
	}
	return strings.Join(words, ", ")
}
