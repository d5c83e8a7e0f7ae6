package fault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/lab"
)

// Kinds that Make knows beside those of New.
const (
	KindCPU       = "cpu"        // few cores are left
	KindMemory    = "memory"     // less memory than it wants: the kernel kills it
	KindLatency   = "latency"    // every answer is late
	KindJitter    = "jitter"     // and each by another time
	KindBandwidth = "bandwidth"  // answers trickle
	KindReset     = "reset"      // connections are torn down
	KindSlowClose = "slow-close" // connections end late
	KindBlackHole = "black-hole" // what is sent is lost, connections stay open

	KindFlush       = "flush"       // Redis forgets everything
	KindConnections = "connections" // Postgres has no connection left
	KindDiskFull    = "disk-full"   // Postgres' tables cannot grow

	KindOrigin429      = "origin-429"
	KindOrigin5xx      = "origin-5xx"
	KindOriginSlow     = "origin-slow"
	KindOriginTruncate = "origin-truncate"

	KindRollingRestart = "rolling-restart" // each replica in turn: asked to end, started, waited for
	KindRollingUpgrade = "rolling-upgrade" // likewise, and made anew
	KindChurn          = "churn"           // configuration changes without end
)

// Spec says what to break. A figure that is zero is the fault's own default.
type Spec struct {
	Kind    string
	Target  string        // a node; for rolling and churn a role; for a link its far end
	Latency time.Duration // of latency, jitter, slow-close, origin-slow
	Rate    float64       // KiB a second of bandwidth, changes a second of churn
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

// kinds are the makers of every fault.
func kinds() map[string]func(Spec, Lab) (Fault, error) {
	out := map[string]func(Spec, Lab) (Fault, error){
		KindCPU: makeCPU, KindMemory: makeMemory,
		KindFlush: makeFlush, KindConnections: makeConnections, KindDiskFull: makeDiskFull,
		KindRollingRestart: makeRolling, KindRollingUpgrade: makeRolling, KindChurn: makeChurn,
	}
	for _, k := range stateKinds() {
		out[k] = makeState
	}
	for k := range toxics() {
		out[k] = makeToxic
	}
	for k := range illnesses() {
		out[k] = makeIllness
	}
	return out
}

// Kinds are all kinds of fault, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds())) }

// Make makes a fault. An unknown kind or target is an error that names what
// there is; so is a runtime that cannot carry the fault.
func Make(s Spec, l Lab) (Fault, error) {
	maker, ok := kinds()[s.Kind]
	if !ok {
		return nil, fmt.Errorf("unknown fault %q: want %s", s.Kind, strings.Join(Kinds(), ", "))
	}
	return maker(s, l)
}

func makeState(s Spec, l Lab) (Fault, error) {
	n, err := find(s, l)
	if err != nil {
		return nil, err
	}
	return New(s.Kind, n, func(ctx context.Context) error { return l.Ready(ctx, s.Target) })
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
	return nil, fmt.Errorf("fault %s: the lab has no node %q: want one of %s", s.Kind, s.Target, strings.Join(names, ", "))
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

// until asks ok until it says yes. Its last error, or what it saw in words, is
// in the error when ctx ends first.
func until(ctx context.Context, every time.Duration, ok func(context.Context) (bool, string, error)) error {
	for {
		yes, saw, err := ok(ctx)
		if yes {
			return nil
		}
		if werr := sleep(ctx, every); werr != nil {
			if err != nil {
				return fmt.Errorf("%w: %w", werr, err)
			}
			return fmt.Errorf("%w: %s", werr, saw)
		}
	}
}
