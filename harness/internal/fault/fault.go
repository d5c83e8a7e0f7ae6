// Package fault breaks nodes on purpose and mends them again. A fault whose
// effect was never observed is an error: the experiment showed nothing. A fault
// that was injected is always undone, also when the run is cancelled.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatelab/harness/internal/lab"
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

// Fault is one way to break one thing. Run calls the methods in the order
// below. A Setup that fails removes what it made. Once it has succeeded, Recover,
// Recovered and Cleanup are called whatever happened before, with contexts that
// a cancelled run does not end; they must do no harm where nothing was broken.
type Fault interface {
	Kind() string
	Target() string
	Setup(ctx context.Context) error     // check that the target is sound
	Inject(ctx context.Context) error    // break it
	Effect(ctx context.Context) error    // wait until the effect is seen
	Recover(ctx context.Context) error   // mend it
	Recovered(ctx context.Context) error // wait until it is sound again
	Cleanup(ctx context.Context) error   // remove what Setup made
}

// Slow is a fault whose injection or effect takes longer than the usual ten
// seconds.
type Slow interface {
	EffectWithin() time.Duration
}

// ErrNoEffect says that a fault was carried out and that nothing was seen of it.
var ErrNoEffect = errors.New("no effect was observed")

// Event is what happened, in times of the harness's clock. A zero time says
// that the step was not reached.
type Event struct {
	Kind             string
	Target           string
	InjectedAt       time.Time // just before the fault was injected
	EffectObservedAt time.Time
	RecoverAt        time.Time // just before mending began
	RecoveredAt      time.Time // the target was seen to be sound again
}

// Plan says when things happen and how long they may take.
type Plan struct {
	At           time.Duration // from the call of Run until injection
	RecoverAfter time.Duration // from injection until mending
	EffectIn     time.Duration // 0 is 10 s, or as long as the fault says it needs (Slow)
	RecoverIn    time.Duration // for mending and until it is sound; 0 is 30 s
	// OnStep is told the event after each step; may be nil.
	OnStep func(step string, e Event)
}

// Step names that OnStep is told.
const (
	StepInjected  = "injected"
	StepEffect    = "effect observed"
	StepRecover   = "recovering"
	StepRecovered = "recovered"
)

// Run waits, injects, waits for the effect, waits, mends and waits until all is
// sound. It returns when the fault is undone. A cancelled context shortens the
// waiting, never the mending; the error then holds the context's cause.
func Run(ctx context.Context, f Fault, p Plan) (Event, error) {
	e := Event{Kind: f.Kind(), Target: f.Target()}
	if s, ok := f.(Slow); ok && p.EffectIn == 0 {
		p.EffectIn = s.EffectWithin()
	}
	if p.OnStep == nil {
		p.OnStep = func(string, Event) {}
	}
	if err := f.Setup(ctx); err != nil {
		return e, fmt.Errorf("%s %s: set up: %w", e.Kind, e.Target, err)
	}
	errs := []error{breakIt(ctx, f, p, &e)}
	// From here on nothing may be left out, whatever became of ctx.
	if !e.InjectedAt.IsZero() {
		errs = append(errs, mend(ctx, f, p, &e))
	}
	errs = append(errs, Clean(ctx, f))
	if err := errors.Join(errs...); err != nil {
		return e, fmt.Errorf("%s %s: %w", e.Kind, e.Target, err)
	}
	return e, nil
}

// breakIt is the first half; it returns when it is time to mend.
func breakIt(ctx context.Context, f Fault, p Plan, e *Event) error {
	if err := sleep(ctx, p.At); err != nil {
		return err
	}
	e.InjectedAt = time.Now()
	// Not cancelled half way: what is not known to be broken cannot be mended.
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
			return err // cut short: nobody has looked for long enough
		}
		return fmt.Errorf("%w: %w", ErrNoEffect, err)
	}
	e.EffectObservedAt = time.Now()
	p.OnStep(StepEffect, *e)
	return sleep(ctx, p.RecoverAfter-time.Since(e.InjectedAt))
}

// cleanIn bounds a clean-up. It is a time of its own: a target that takes all of
// the mending's to become sound again must not leave behind what Setup made.
const cleanIn = 30 * time.Second

// Clean removes what a fault's Setup made, also where ctx has ended.
func Clean(ctx context.Context, f Fault) error {
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanIn)
	defer cancel()
	return f.Cleanup(cleaning)
}

func mend(ctx context.Context, f Fault, p Plan, e *Event) error {
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
