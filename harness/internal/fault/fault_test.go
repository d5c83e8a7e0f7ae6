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

// node is a lab node in memory. after is how long a change takes to show.
type node struct {
	mu         sync.Mutex
	state      lab.State
	deaf       bool // ignores faults
	after      time.Duration
	failInject error
	calls      []string
}

func newNode() *node { return &node{state: lab.State{Running: true, Connected: true}} }

func (n *node) Name() string { return "gateway-2" }

func (n *node) change(ctx context.Context, call string, f func(*lab.State)) error {
	n.calls = append(n.calls, call)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if n.failInject != nil {
		return n.failInject
	}
	if n.deaf {
		return nil
	}
	change := func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		f(&n.state)
	}
	if n.after == 0 {
		change()
		return nil
	}
	go func() {
		time.Sleep(n.after)
		change()
	}()
	return nil
}

func (n *node) Kill(ctx context.Context) error {
	return n.change(ctx, "kill", func(s *lab.State) { s.Running = false })
}
func (n *node) Stop(ctx context.Context, _ time.Duration) error {
	return n.change(ctx, "stop", func(s *lab.State) { s.Running = false })
}
func (n *node) Start(ctx context.Context) error {
	return n.change(ctx, "start", func(s *lab.State) { s.Running = true })
}
func (n *node) Pause(ctx context.Context) error {
	return n.change(ctx, "pause", func(s *lab.State) { s.Paused = true })
}
func (n *node) Resume(ctx context.Context) error {
	return n.change(ctx, "resume", func(s *lab.State) { s.Paused = false })
}
func (n *node) CutOff(ctx context.Context) error {
	return n.change(ctx, "cut off", func(s *lab.State) { s.Connected = false })
}
func (n *node) Reconnect(ctx context.Context) error {
	return n.change(ctx, "reconnect", func(s *lab.State) { s.Connected = true })
}
func (n *node) State(ctx context.Context) (lab.State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, ctx.Err()
}

func TestRunInjectsAndRecovers(t *testing.T) {
	for _, c := range []struct {
		kind  string
		calls []string
	}{
		{kind: fault.KindKill, calls: []string{"kill", "start"}},
		{kind: fault.KindStop, calls: []string{"stop", "start"}},
		{kind: fault.KindRestart, calls: []string{"stop", "start"}},
		{kind: fault.KindPause, calls: []string{"pause", "resume"}},
		{kind: fault.KindCutOff, calls: []string{"cut off", "reconnect"}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode()
				ready := 0
				f, err := fault.New(c.kind, n, func(context.Context) error { ready++; return nil })
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var steps []string
				e, err := fault.Run(t.Context(), f, fault.Plan{
					At: 5 * time.Second, RecoverAfter: 8 * time.Second,
					OnStep: func(step string, _ fault.Event) { steps = append(steps, step) },
				})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(n.calls, c.calls) || ready != 1 {
					t.Errorf("calls %v and %d times ready, want %v and once", n.calls, ready, c.calls)
				}
				if got := e.InjectedAt.Sub(began); got != 5*time.Second {
					t.Errorf("injected after %s, want 5s", got)
				}
				if got := e.RecoverAt.Sub(e.InjectedAt); got != 8*time.Second {
					t.Errorf("recovered %s after injection, want 8s", got)
				}
				if e.Kind != c.kind || e.Target != "gateway-2" || e.EffectObservedAt.IsZero() || e.RecoveredAt.IsZero() {
					t.Errorf("event %+v", e)
				}
				want := []string{fault.StepInjected, fault.StepEffect, fault.StepRecover, fault.StepRecovered}
				if !slices.Equal(steps, want) {
					t.Errorf("steps %v, want %v", steps, want)
				}
			})
		})
	}
}

func TestEffectIsObservedWhenItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		n.after = 300 * time.Millisecond
		f, _ := fault.New(fault.KindKill, n, nil)
		e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.EffectObservedAt.Sub(e.InjectedAt); got < 300*time.Millisecond || got > 320*time.Millisecond {
			t.Errorf("effect observed after %s, want 300 ms and at most two intervals", got)
		}
	})
}

func TestFaultWithoutEffectFailsAndIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		n.deaf = true
		f, _ := fault.New(fault.KindPause, n, nil)
		e, err := fault.Run(t.Context(), f, fault.Plan{RecoverAfter: time.Second})
		if err == nil || !strings.Contains(err.Error(), "no effect was observed") || !strings.Contains(err.Error(), "still running") {
			t.Fatalf("error %v, want that no effect was observed", err)
		}
		if !e.EffectObservedAt.IsZero() || e.RecoveredAt.IsZero() {
			t.Errorf("event %+v: want no effect, and recovered", e)
		}
	})
}

func TestCancelledRunStillMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		f, _ := fault.New(fault.KindCutOff, n, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop it")
		go func() {
			time.Sleep(time.Second)
			cancel(stop)
		}()
		e, err := fault.Run(ctx, f, fault.Plan{RecoverAfter: time.Hour})
		if !errors.Is(err, stop) {
			t.Fatalf("error %v, want the cause of the cancellation", err)
		}
		if !n.state.Connected || e.RecoveredAt.IsZero() {
			t.Errorf("the node was left broken: %+v, %+v", n.state, e)
		}
	})
}

func TestCancelledBeforeInjectionDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		f, _ := fault.New(fault.KindKill, n, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		e, err := fault.Run(ctx, f, fault.Plan{At: time.Minute})
		if err == nil || len(n.calls) != 0 || !e.InjectedAt.IsZero() {
			t.Errorf("error %v, calls %v, event %+v: want an error and nothing done", err, n.calls, e)
		}
	})
}

func TestRunRefusesAndReports(t *testing.T) {
	for _, c := range []struct {
		name string
		node *node
		want string
	}{
		{
			name: "a target that does not run is rejected", node: &node{state: lab.State{Connected: true}},
			want: "not healthy before the fault: ended with exit code 0",
		},
		{name: "a target off the network is rejected", node: &node{state: lab.State{Running: true}}, want: "off the network"},
		{
			name: "an injection that fails is reported", want: "inject: engine gone",
			node: &node{state: lab.State{Running: true, Connected: true}, failInject: errors.New("engine gone")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, _ := fault.New(fault.KindKill, c.node, nil)
			if _, err := fault.Run(t.Context(), f, fault.Plan{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestNotReadyAfterRecoveryIsAnError(t *testing.T) {
	f, _ := fault.New(fault.KindKill, newNode(), func(context.Context) error { return errors.New("no snapshot") })
	e, err := fault.Run(t.Context(), f, fault.Plan{})
	if err == nil || !strings.Contains(err.Error(), "not recovered: no snapshot") || !e.RecoveredAt.IsZero() {
		t.Errorf("error %v, event %+v", err, e)
	}
}

func TestUnknownKindNamesWhatThereIs(t *testing.T) {
	_, err := fault.New("explode", newNode(), nil)
	if err == nil || err.Error() != `unknown fault "explode": want cut-off, kill, pause, restart, stop` {
		t.Errorf("error %v", err)
	}
}
