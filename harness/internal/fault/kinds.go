package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/internal/suggest"
)

// Spec says what to break. A zero value means the fault's own default.
type Spec struct {
	Kind    string
	Target  string        // a node; for rolling and churn a role; for a link its far end; for Nodes what they are together
	Nodes   []string      // broken together, and recovered in this order; none: Target alone
	Latency time.Duration // of latency, jitter, slow-close, origin-slow
	Rate    float64       // KiB per second of bandwidth, changes per second of churn
	Share   float64       // of the origin's requests
	CPUs    float64       // that cpu leaves
}

// Lab is what faults need of a lab.
type Lab interface {
	Node(name string) (lab.Node, bool)
	Nodes(role string) []lab.Node
	// Ready waits until a node does its work.
	Ready(ctx context.Context, name string) error
	// Settled waits until a replica is sent requests again by the balancers.
	Settled(ctx context.Context, name string) error
	// Renew makes a stopped node anew, as an upgrade does.
	Renew(ctx context.Context, name string) error
}

// kinds are the constructors of all faults. A fault that shows in a node's state,
// on a link or at the origin is listed with the others of its sort.
func kinds() map[string]func(Spec, Lab) (Fault, error) {
	out := map[string]func(Spec, Lab) (Fault, error){
		KindCPU:            makeCPU,
		KindMemory:         makeMemory,
		KindFlush:          makeFlush,
		KindConnections:    makeConnections,
		KindDiskFull:       makeDiskFull,
		KindRollingRestart: makeRollingRestart,
		KindRollingUpgrade: makeRollingUpgrade,
		KindChurn:          makeChurn,
		KindDrain:          makeDrain,
	}
	for k := range stateChanges() {
		out[k] = makeStateFault
	}
	for k := range toxics() {
		out[k] = makeLinkFault
	}
	for k := range misbehaviors() {
		out[k] = makeOriginFault
	}
	return out
}

// Kinds are all kinds of fault, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds())) }

// Make makes a fault. An unknown kind or target is an error that lists the known
// ones. A runtime that does not support the fault is an error too.
func Make(s Spec, l Lab) (Fault, error) {
	maker, ok := kinds()[s.Kind]
	if !ok {
		return nil, fmt.Errorf("unknown fault %q%s: want %s", s.Kind, suggest.Hint(s.Kind, Kinds()), strings.Join(Kinds(), ", "))
	}
	if len(s.Nodes) > 0 {
		return makeGroup(s, l, maker)
	}
	return maker(s, l)
}

// find is the fault's target.
func find(s Spec, l Lab) (lab.Node, error) {
	n, ok := l.Node(s.Target)
	if ok {
		return n, nil
	}
	var names []string
	for _, n := range l.Nodes("") {
		names = append(names, n.Name())
	}
	return nil, fmt.Errorf("fault %s: the lab has no node %q%s: want one of %s",
		s.Kind, s.Target, suggest.Hint(s.Target, names), strings.Join(names, ", "))
}

// base is what most faults have in common.
type base struct {
	kind, target string
}

func (b *base) Kind() string   { return b.kind }
func (b *base) Target() string { return b.target }

// Setup, Cleanup: nothing to make, nothing to remove.
func (b *base) Setup(context.Context) error   { return nil }
func (b *base) Cleanup(context.Context) error { return nil }

// until calls ok until it says yes or ctx ends. ok also returns what it saw, for
// the error.
func until(ctx context.Context, every time.Duration, ok func(context.Context) (bool, string, error)) error {
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		yes, saw, err := ok(ctx)
		if yes {
			return struct{}{}, nil
		}
		if last = err; err == nil {
			last = errors.New(saw)
		}
		return struct{}{}, last
	}, backoff.WithBackOff(backoff.NewConstantBackOff(every)), backoff.WithMaxElapsedTime(0))
	if err != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	return nil
}
