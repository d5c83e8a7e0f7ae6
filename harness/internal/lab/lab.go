package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// closeWithin bounds Close, which must not depend on a context that is over.
const closeWithin = 60 * time.Second

// Options are what a Lab needs beside its nodes' specs.
type Options struct {
	// Ports fixes ports on loopback: "gateway-1:8001" or "lb:8000" -> port. A
	// node that the lab does not have is ignored if KnownNode accepts its name; a
	// port that is not published is an error. Every other published port is chosen
	// by the runtime.
	Ports map[string]int
	// KnownNode says whether a name of Ports may be absent; nil: none may.
	KnownNode func(name string) bool
	// Layout is the zero Layout for runtimes that give nodes addresses.
	Layout Layout
	// Progress may be nil.
	Progress Progress
}

// Lab is a set of running nodes. Its methods may be called from several
// goroutines. Nodes of different names may be replaced at the same time; Apply,
// Drop, Prepare and Close do nothing while another one changes nodes, and wait.
type Lab struct {
	runtime Runtime
	options Options

	changing sync.RWMutex // held while nodes come and go; for reading, while some of different names are replaced

	mu    sync.RWMutex // guards what follows
	nodes map[string]Node
	specs map[string]Spec
}

// New is a lab without nodes yet, for Apply or Replace.
func New(rt Runtime, o Options) *Lab {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return &Lab{runtime: rt, options: o, nodes: map[string]Node{}, specs: map[string]Spec{}}
}

// Start brings the nodes up in dependency order and waits until every node
// is ready. On an error it has removed all that it made.
func Start(ctx context.Context, rt Runtime, specs []Spec, o Options) (*Lab, error) {
	l := New(rt, o)
	if err := l.Apply(ctx, specs); err != nil {
		return nil, errors.Join(fmt.Errorf("start the lab: %w", err), l.Close(ctx))
	}
	return l, nil
}

// Layout says where the nodes listen and how they reach each other.
func (l *Lab) Layout() Layout { return l.options.Layout }

// Addr is host:port at which other nodes reach the node of that name.
func (l *Lab) Addr(node string, port int) string { return l.options.Layout.DialAddr(node, port) }

// Node is a node by its name.
func (l *Lab) Node(name string) (Node, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	n, ok := l.nodes[name]
	return n, ok
}

// Nodes are the nodes of a role in order of their names, or all nodes when role
// is empty. Whether they run just now is another matter.
func (l *Lab) Nodes(role string) []Node {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var nodes []Node
	for _, n := range l.nodes {
		if role == "" || n.Role() == role {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Name(), b.Name()) })
	return nodes
}

// Settings are, by node, the settings of which a reader of a result should
// know, durability among them.
func (l *Lab) Settings() map[string]map[string]string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	settings := map[string]map[string]string{}
	for name, s := range l.specs {
		if len(s.Settings) > 0 {
			settings[name] = s.Settings
		}
	}
	return settings
}

// Apply brings the lab from the nodes it has to others: nodes whose Spec changed
// are replaced, missing ones added, others dropped; what did not change is not
// disturbed. After an error the
// lab is somewhere in between, and Close is all that should be done with it.
func (l *Lab) Apply(ctx context.Context, specs []Spec) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	if err := pin(specs, l.options); err != nil {
		return err
	}
	if err := l.runtime.Prepare(ctx, specs); err != nil {
		return err
	}
	specs = Without(l.runtime, specs)
	if err := l.dropMissing(ctx, specs); err != nil {
		return err
	}
	for _, tier := range tiers(l.changed(specs)) {
		group, gctx := errgroup.WithContext(ctx)
		for _, s := range tier {
			group.Go(func() error {
				_, err := l.replace(gctx, s)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// Without leaves out what is optional and cannot be had.
func Without(rt Runtime, specs []Spec) []Spec {
	lacker, ok := rt.(Lacker)
	if !ok {
		return specs
	}
	return slices.DeleteFunc(specs, func(s Spec) bool { return s.Optional && lacker.Lacks(s.Program) })
}

// tiers groups specs by their Tier: the order in which they may start.
func tiers(specs []Spec) [Tiers][]Spec {
	var t [Tiers][]Spec
	for _, s := range specs {
		t[s.Tier] = append(t[s.Tier], s)
	}
	return t
}

// changed are the specs that no running node has.
func (l *Lab) changed(specs []Spec) []Spec {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var changed []Spec
	for _, s := range specs {
		if have, ok := l.specs[s.Name]; !ok || have.fingerprint() != s.fingerprint() {
			changed = append(changed, s)
		}
	}
	return changed
}

// dropMissing removes nodes that are in no spec.
func (l *Lab) dropMissing(ctx context.Context, specs []Spec) error {
	for _, n := range l.Nodes("") {
		if !slices.ContainsFunc(specs, func(s Spec) bool { return s.Name == n.Name() }) {
			if err := l.drop(ctx, n.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Prepare fetches or makes what specs need, for Replace with a program that the lab has not run yet.
func (l *Lab) Prepare(ctx context.Context, specs ...Spec) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	return l.runtime.Prepare(ctx, specs)
}

// Replace removes the node of that name, if there is one, starts the new one
// with the same address and ports and waits until it is ready.
func (l *Lab) Replace(ctx context.Context, s Spec) (Node, error) {
	l.changing.RLock()
	defer l.changing.RUnlock()
	specs := []Spec{s}
	if err := pin(specs, l.options); err != nil {
		return nil, err
	}
	return l.replace(ctx, specs[0])
}

func (l *Lab) replace(ctx context.Context, s Spec) (Node, error) {
	if _, ok := l.Node(s.Name); ok {
		if err := l.drop(ctx, s.Name); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	n, err := l.runtime.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.nodes[s.Name], l.specs[s.Name] = n, s
	l.mu.Unlock()
	if err := WaitReady(ctx, n, s); err != nil {
		return n, err
	}
	l.options.Progress(fmt.Sprintf("%s is ready (%.1f s)", s.Name, time.Since(began).Seconds()))
	return n, nil
}

// Restart kills a node's program, starts it again, and waits until it is ready.
func (l *Lab) Restart(ctx context.Context, name string) error {
	n, ok := l.Node(name)
	if !ok {
		return fmt.Errorf("restart %s: no such node", name)
	}
	if err := n.Kill(ctx); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	for {
		if s, err := n.State(ctx); err == nil && !s.Running {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("restart %s: it still runs: %w", name, context.Cause(ctx))
		case <-time.After(readyPoll):
		}
	}
	if err := n.Start(ctx); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	return l.Ready(ctx, name)
}

// Drop removes a node. An unknown name is an error.
func (l *Lab) Drop(ctx context.Context, name string) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	return l.drop(ctx, name)
}

func (l *Lab) drop(ctx context.Context, name string) error {
	n, ok := l.Node(name)
	if !ok {
		return fmt.Errorf("drop %s: no such node", name)
	}
	l.mu.Lock()
	delete(l.nodes, name)
	delete(l.specs, name)
	l.mu.Unlock()
	return l.runtime.Remove(ctx, n)
}

// Ready waits until a running node is ready, as its Spec says.
func (l *Lab) Ready(ctx context.Context, name string) error {
	l.mu.RLock()
	n, s := l.nodes[name], l.specs[name]
	l.mu.RUnlock()
	if n == nil {
		return fmt.Errorf("wait for %s: no such node", name)
	}
	return WaitReady(ctx, n, s)
}

// Spec is what a node was started with. ok is false for an unknown name.
func (l *Lab) Spec(name string) (s Spec, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s, ok = l.specs[name]
	return s, ok
}

// Info is the runtime's.
func (l *Lab) Info(ctx context.Context) map[string]string { return l.runtime.Info(ctx) }

// Close removes all nodes and whatever else the runtime made. It works with a
// cancelled context too, within a minute, and may be called twice.
func (l *Lab) Close(ctx context.Context) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	l.mu.Lock()
	clear(l.nodes)
	clear(l.specs)
	l.mu.Unlock()
	if err := l.runtime.Close(ctx); err != nil {
		return fmt.Errorf("close the lab: %w", err)
	}
	return nil
}

// pin writes fixed ports into the specs that have them.
func pin(specs []Spec, o Options) error {
	for key, host := range o.Ports {
		name, portText, _ := strings.Cut(key, ":")
		port, err := strconv.Atoi(portText)
		if err != nil {
			return fmt.Errorf("port %q: want node:port, as lb:8000", key)
		}
		if host < 1 || host > 65535 {
			return fmt.Errorf("port %q: %d is not allowed: want 1 to 65535", key, host)
		}
		i := slices.IndexFunc(specs, func(s Spec) bool { return s.Name == name })
		if i < 0 {
			if o.KnownNode == nil || !o.KnownNode(name) {
				return fmt.Errorf("port %q: unknown node %q", key, name)
			}
			continue
		}
		if !slices.Contains(specs[i].Ports, port) {
			return fmt.Errorf("port %q: %s publishes %v", key, name, specs[i].Ports)
		}
		if specs[i].HostPorts == nil {
			specs[i].HostPorts = map[int]int{}
		}
		specs[i].HostPorts[port] = host
	}
	return nil
}
