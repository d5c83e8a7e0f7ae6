package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrUnavailable says that this machine lacks what a runtime needs. Errors of
// Driver.Available match it with errors.Is.
var ErrUnavailable = errors.New("runtime not available")

// ErrNotUp says that no lab was left running.
var ErrNotUp = errors.New("no stack is up")

// RuntimeConfig is what a runtime is made with. A runtime ignores what does not
// apply to it.
type RuntimeConfig struct {
	// Binaries are our own programs: a Spec's Program -> path on this machine.
	Binaries map[string]string
	// RunID names the lab. If empty, the runtime makes one up, and Attach and Down
	// consider every lab that was left running.
	RunID string
	// Keep leaves the lab running when this process ends: a later Sweep does not
	// touch it, Down removes it.
	Keep bool
	// Ports fixes ports on 127.0.0.1, "lb:8000" -> 8000, for runtimes that must
	// know them before a Spec does (host).
	Ports map[string]int
	// Cut are the roles whose nodes must be able to be disconnected, for runtimes that
	// need a proxy in front of them (host). The proxy costs CPU.
	Cut []string
	// Spread puts the nodes of a role on different machines, for faults that drain one (kubernetes).
	Spread bool
	// Install is called once for programs that are missing (host); may be nil.
	Install func(ctx context.Context, programs []string) error
	// Progress receives one line per step; may be nil.
	Progress Progress
}

// Driver makes runtimes of one kind.
type Driver struct {
	Name        string // as in --runtime
	Description string // what the nodes are: "containers of a Docker engine"
	Machines    bool   // the nodes may be on several machines
	// Remedy is what to do where the runtime is not available.
	Remedy string
	// Available returns nil if a runtime can be made on this machine, and an error
	// that matches ErrUnavailable if it lacks what is needed. Any other error is a
	// configuration to be corrected.
	Available func(ctx context.Context) error
	// New makes a runtime. Close must be called.
	New func(ctx context.Context, c RuntimeConfig) (Runtime, error)
}

// Registry lists the drivers that there are, in order of preference.
type Registry []Driver

// Names are the drivers' names, in order of preference.
func (r Registry) Names() []string {
	names := make([]string, len(r))
	for i, d := range r {
		names[i] = d.Name
	}
	return names
}

// Choose returns the driver of that name, or for an empty name the first one
// that is available. skipped, which may be nil, is told about each driver that
// is not. An unknown name is an error that lists the known ones.
func (r Registry) Choose(ctx context.Context, name string, skipped func(d Driver, why error)) (Driver, error) {
	var errs []error
	for _, d := range r {
		if name != "" && d.Name != name {
			continue
		}
		err := d.Available(ctx)
		switch {
		case err == nil:
			return d, nil
		case !errors.Is(err, ErrUnavailable):
			return Driver{}, fmt.Errorf("runtime %s: %w", d.Name, err)
		case name != "":
			return Driver{}, fmt.Errorf("runtime %s: %w: %s", d.Name, err, d.Remedy)
		}
		if skipped != nil {
			skipped(d, err)
		}
		errs = append(errs, fmt.Errorf("runtime %s: %w: %s", d.Name, err, d.Remedy))
	}
	if name != "" {
		return Driver{}, fmt.Errorf("unknown runtime %q: want one of %s", name, strings.Join(r.Names(), ", "))
	}
	return Driver{}, errors.Join(errs...)
}

// Attach finds the nodes of a lab that was left running, in order of their
// names. The error is ErrNotUp if no available runtime has one.
func (r Registry) Attach(ctx context.Context) ([]Node, error) {
	var found []Node
	err := r.each(ctx, func(rt Runtime) error {
		nodes, err := rt.Attach(ctx)
		if errors.Is(err, ErrNotUp) || len(found) > 0 {
			return nil
		}
		found = nodes
		return err
	})
	if err == nil && len(found) == 0 {
		return nil, ErrNotUp
	}
	return found, err
}

// Down removes the labs that were left running, of every available runtime, and
// returns the names of what it removed.
func (r Registry) Down(ctx context.Context) ([]string, error) {
	var removed []string
	err := r.each(ctx, func(rt Runtime) error {
		names, err := rt.Down(ctx)
		removed = append(removed, names...)
		return err
	})
	return removed, err
}

// each calls f with a runtime of each available driver, also after an error.
func (r Registry) each(ctx context.Context, f func(Runtime) error) error {
	var errs []error
	for _, d := range r {
		err := d.Available(ctx)
		if errors.Is(err, ErrUnavailable) {
			continue // then it has no lab either
		}
		if err == nil {
			err = d.with(ctx, f)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("runtime %s: %w", d.Name, err))
		}
	}
	return errors.Join(errs...)
}

// with calls f with a runtime that is closed afterwards.
func (d Driver) with(ctx context.Context, f func(Runtime) error) error {
	rt, err := d.New(ctx, RuntimeConfig{})
	if err != nil {
		return err
	}
	return errors.Join(f(rt), rt.Close(context.WithoutCancel(ctx)))
}
