package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/lab"
)

// Kinds that New knows.
const (
	KindKill    = "kill"    // SIGKILL, started again
	KindStop    = "stop"    // SIGTERM: it may drain; started again
	KindRestart = "restart" // likewise, and started again at once
	KindPause   = "pause"   // frozen: connections stay open and nothing answers
	KindCutOff  = "cut-off" // off the network: packets are lost
)

// drainWithin is how long a node may take to end when asked.
const drainWithin = 15 * time.Second

func stateKinds() []string { return []string{KindKill, KindStop, KindRestart, KindPause, KindCutOff} }

// New makes a fault of a kind that shows in a node's state. ready says whether the node does its
// work again after it was mended; it may be nil.
func New(kind string, n Node, ready func(context.Context) error) (Fault, error) {
	f := stateFault{kind: kind, node: n, ready: ready}
	switch kind {
	case KindKill:
		f.inject, f.recover = n.Kill, n.Start
		f.broken = func(s lab.State) bool { return !s.Running }
	case KindStop, KindRestart:
		f.inject = func(ctx context.Context) error { return n.Stop(ctx, drainWithin) }
		f.recover = n.Start
		f.broken = func(s lab.State) bool { return !s.Running }
	case KindPause:
		f.inject, f.recover = n.Pause, n.Resume
		f.broken = func(s lab.State) bool { return s.Paused }
	case KindCutOff:
		f.inject, f.recover = n.CutOff, n.Reconnect
		f.broken = func(s lab.State) bool { return !s.Connected }
	default:
		return nil, fmt.Errorf("unknown fault %q: want %s", kind, strings.Join(slices.Sorted(slices.Values(stateKinds())), ", "))
	}
	return &f, nil
}

// stateFault is a fault whose effect shows in the node's state.
type stateFault struct {
	kind            string
	node            Node
	ready           func(context.Context) error
	inject, recover func(context.Context) error
	broken          func(lab.State) bool
}

var _ Fault = (*stateFault)(nil)

// EffectWithin leaves a node that drains the time it may take.
func (f *stateFault) EffectWithin() time.Duration { return drainWithin + 5*time.Second }

func (f *stateFault) Kind() string   { return f.kind }
func (f *stateFault) Target() string { return f.node.Name() }

// sound is a node on which none of the faults is at work.
func sound(s lab.State) bool { return s.Running && !s.Paused && s.Connected }

// Setup refuses a node that is broken already: what would then be seen would
// not be this fault's doing.
func (f *stateFault) Setup(ctx context.Context) error {
	s, err := f.node.State(ctx)
	if err != nil {
		return err
	}
	if !sound(s) {
		return fmt.Errorf("the target is not sound before the fault: %s", Describe(s))
	}
	return nil
}

func (f *stateFault) Inject(ctx context.Context) error { return f.inject(ctx) }

func (f *stateFault) Effect(ctx context.Context) error {
	return f.await(ctx, f.broken)
}

// Recover undoes the fault only where it is at work: an injection may have
// failed half way.
func (f *stateFault) Recover(ctx context.Context) error {
	s, err := f.node.State(ctx)
	if err == nil && !f.broken(s) {
		return nil
	}
	return f.recover(ctx)
}

func (f *stateFault) Recovered(ctx context.Context) error {
	if err := f.await(ctx, sound); err != nil {
		return err
	}
	if f.ready == nil {
		return nil
	}
	return f.ready(ctx)
}

// Cleanup has nothing to do: Setup makes nothing.
func (f *stateFault) Cleanup(context.Context) error { return nil }

// await asks for the node's state until it is as wanted. The interval is the
// resolution of the observed times.
func (f *stateFault) await(ctx context.Context, want func(lab.State) bool) error {
	const interval = 10 * time.Millisecond
	var saw string // last; a look that the deadline cuts short tells nothing
	for {
		s, err := f.node.State(ctx)
		if err == nil {
			if want(s) {
				return nil
			}
			saw = Describe(s)
		}
		if werr := sleep(ctx, interval); werr != nil {
			if saw != "" {
				err = fmt.Errorf("the node is still %s", saw)
			}
			return errors.Join(err, werr)
		}
	}
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
