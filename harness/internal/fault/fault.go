// Package fault injects faults into nodes and recovers from them, and hides how
// each is made, observed and undone. A fault whose effect was never observed is an
// error: the experiment showed nothing. A fault that was injected is always undone,
// also when the run is cancelled.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Node is what a fault needs of a lab's node.
type Node interface {
	Name() string
	Kill(ctx context.Context) error
	Stop(ctx context.Context, grace time.Duration) error
	Start(ctx context.Context) error
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	CutOff(ctx context.Context) error
	Reconnect(ctx context.Context) error
	State(ctx context.Context) (lab.State, error)
}

// Fault is one way to break one target. Run calls the methods in the order below.
// A Setup that fails removes what it made. Once it has succeeded, Recover,
// Recovered and Cleanup are called whatever happened before, with contexts that
// outlive a cancelled run; they must do no harm if nothing was broken.
type Fault interface {
	Kind() string
	Target() string
	Setup(ctx context.Context) error     // check that the target is healthy
	Inject(ctx context.Context) error    // make it happen
	Effect(ctx context.Context) error    // wait until the effect is observed
	Recover(ctx context.Context) error   // undo it
	Recovered(ctx context.Context) error // wait until the target is healthy again
	Cleanup(ctx context.Context) error   // remove what Setup made
}

// SlowFault is a fault whose injection or effect takes longer than the default of
// 10 s.
type SlowFault interface {
	EffectWithin() time.Duration
}

// ErrNoEffect says that a fault was injected and no effect was observed.
var ErrNoEffect = errors.New("no effect was observed")

// Event is what happened, by the harness's clock. A zero time says that the step
// was not reached.
type Event struct {
	Kind             string
	Target           string
	InjectedAt       time.Time // just before the fault was injected
	EffectObservedAt time.Time
	RecoverAt        time.Time // just before recovery began
	RecoveredAt      time.Time // the target was healthy again
}

// Plan says when things happen and how long they may take.
type Plan struct {
	At           time.Duration // from the call of Run until injection
	RecoverAfter time.Duration // from injection until recovery begins
	EffectIn     time.Duration // 0 is 10 s, or as long as the fault says it needs (SlowFault)
	RecoverIn    time.Duration // for recovery, until the target is healthy; 0 is 30 s
	// OnStep is called with the event after each step; may be nil.
	OnStep func(step string, e Event)
}

// Steps, as passed to OnStep.
const (
	StepInjected  = "injected"
	StepEffect    = "effect observed"
	StepRecover   = "recovering"
	StepRecovered = "recovered"
)

// Run injects a fault at its time, waits for the effect, recovers at its time and
// waits until the target is healthy. It returns when the fault is undone. A
// cancelled context shortens the waiting, never the recovery; the error then wraps
// the context's cause.
func Run(ctx context.Context, f Fault, p Plan) (Event, error) {
	e := Event{Kind: f.Kind(), Target: f.Target()}
	if s, ok := f.(SlowFault); ok && p.EffectIn == 0 {
		p.EffectIn = s.EffectWithin()
	}
	if p.OnStep == nil {
		p.OnStep = func(string, Event) {}
	}
	if err := f.Setup(ctx); err != nil {
		return e, fmt.Errorf("%s %s: set up: %w", e.Kind, e.Target, err)
	}
	errs := []error{injectInTime(ctx, f, p, &e)}
	// From here on no step may be skipped, also if ctx has ended.
	if !e.InjectedAt.IsZero() {
		errs = append(errs, recoverInTime(ctx, f, p, &e))
	}
	errs = append(errs, Clean(ctx, f))
	if err := errors.Join(errs...); err != nil {
		return e, fmt.Errorf("%s %s: %w", e.Kind, e.Target, err)
	}
	return e, nil
}

// injectInTime is the first half of Run; it returns when it is time to recover.
func injectInTime(ctx context.Context, f Fault, p Plan, e *Event) error {
	if err := sleep(ctx, p.At); err != nil {
		return err
	}
	e.InjectedAt = time.Now()
	// Not cancelled half way: what is not known to be broken cannot be undone.
	injecting, done := context.WithTimeout(context.WithoutCancel(ctx), orElse(p.EffectIn, 10*time.Second))
	defer done()
	if err := f.Inject(injecting); err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	p.OnStep(StepInjected, *e)
	seeing, cancel := context.WithTimeout(ctx, orElse(p.EffectIn, 10*time.Second))
	defer cancel()
	if err := f.Effect(seeing); err != nil {
		if ctx.Err() != nil {
			return err // cut short: it was not observed for long enough
		}
		return fmt.Errorf("%w: %w", ErrNoEffect, err)
	}
	e.EffectObservedAt = time.Now()
	p.OnStep(StepEffect, *e)
	return sleep(ctx, p.RecoverAfter-time.Since(e.InjectedAt))
}

// cleanupTimeout bounds a clean-up. It is separate from the recovery's: a target
// that takes all of that must not leave behind what Setup made.
const cleanupTimeout = 30 * time.Second

// Clean removes what a fault's Setup made, also where ctx has ended.
func Clean(ctx context.Context, f Fault) error {
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return f.Cleanup(cleaning)
}

// recoverInTime is the second half of Run.
func recoverInTime(ctx context.Context, f Fault, p Plan, e *Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orElse(p.RecoverIn, 30*time.Second))
	defer cancel()
	e.RecoverAt = time.Now()
	p.OnStep(StepRecover, *e)
	if err := f.Recover(ctx); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if err := f.Recovered(ctx); err != nil {
		return fmt.Errorf("not recovered: %w", err)
	}
	e.RecoveredAt = time.Now()
	p.OnStep(StepRecovered, *e)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func orElse(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
