// Package labtest is a lab.Runtime for tests: every node of a lab is a few small servers within the test's process, on loopback. The worker
// is a real one, Redis is in memory, Postgres and the gateways only pretend.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Runtime makes nodes within this process. Fields are set before the first node starts.
type Runtime struct {
	Fail     string // the node that does not start
	CloseErr error  // of Close

	mu     sync.Mutex
	nodes  map[string]*node
	addrs  map[string]string       // "node:port" -> host:port on loopback
	held   map[string]net.Listener // likewise: of ports that no node has served yet
	closed int

	gateway gateway // what the replicas share
}

var _ lab.Runtime = (*Runtime)(nil)

// New is a runtime without nodes.
func New() *Runtime {
	return &Runtime{
		nodes: map[string]*node{}, addrs: map[string]string{}, held: map[string]net.Listener{},
		gateway: gateway{entities: map[string]any{}},
	}
}

// Layout says where the nodes are.
func (r *Runtime) Layout() lab.Layout { return lab.Layout{Listen: r.addr, Addr: r.addr} }

// Closed is how often the runtime was closed.
func (r *Runtime) Closed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Running are the names of the nodes that exist.
func (r *Runtime) Running() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name := range r.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Kill ends a node's servers, as if its process had died.
func (r *Runtime) Kill(name string) {
	r.mu.Lock()
	n := r.nodes[name]
	r.mu.Unlock()
	if n != nil {
		_ = n.Kill(context.Background())
	}
}

// addr is the address of a port of a node, whether it runs or not; it stays the same. The port is held until the node serves it: a port
// that is only free may be another connection's a moment later.
func (r *Runtime) addr(name string, port int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := net.JoinHostPort(name, strconv.Itoa(port))
	if r.addrs[key] == "" {
		l, err := listenBelowEphemeral()
		if err != nil {
			return "127.0.0.1:1" // refuses
		}
		r.addrs[key], r.held[key] = l.Addr().String(), l
	}
	return r.addrs[key]
}

// listenBelowEphemeral listens on a port below those that the kernel hands out by itself: while a node does not run, one of those may
// become the end of a connection, and the node could not start again.
func listenBelowEphemeral() (l net.Listener, err error) {
	const first, count = 10_000, 20_000
	for range 100 {
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(count)))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

// listen takes the held port over, or listens again.
func (r *Runtime) listen(name string, port int) (net.Listener, error) {
	addr := r.addr(name, port)
	r.mu.Lock()
	defer r.mu.Unlock()
	key := net.JoinHostPort(name, strconv.Itoa(port))
	if l := r.held[key]; l != nil {
		delete(r.held, key)
		return l, nil
	}
	return net.Listen("tcp", addr)
}

// Attach implements lab.Runtime: nodes end with the test's process.
func (r *Runtime) Attach(context.Context) ([]lab.Node, error) { return nil, lab.ErrNotUp }

// Down implements lab.Runtime.
func (r *Runtime) Down(context.Context) ([]string, error) { return nil, nil }

// Prepare implements lab.Runtime: nothing is fetched.
func (r *Runtime) Prepare(context.Context, []lab.Spec) error { return nil }

// Start implements lab.Runtime.
func (r *Runtime) Start(ctx context.Context, s lab.Spec) (lab.Node, error) {
	if s.Name == r.Fail {
		return nil, fmt.Errorf("%s does not start", s.Name)
	}
	n := &node{runtime: r, name: s.Name, role: s.Role}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[s.Name] = n
	return n, nil
}

// Remove implements lab.Runtime.
func (r *Runtime) Remove(ctx context.Context, n lab.Node) error {
	r.mu.Lock()
	delete(r.nodes, n.Name())
	r.mu.Unlock()
	return n.Kill(ctx)
}

// Info implements lab.Runtime.
func (r *Runtime) Info(context.Context) map[string]string {
	return map[string]string{"runtime": "test", "standin_redis": "redis: miniredis"}
}

// Sweep implements lab.Runtime: no run leaves anything.
func (r *Runtime) Sweep(context.Context) ([]string, error) { return nil, nil }

// Close implements lab.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	nodes := r.nodes
	r.nodes = map[string]*node{}
	r.closed++
	for _, l := range r.held {
		l.Close()
	}
	clear(r.held)
	r.mu.Unlock()
	errs := []error{r.CloseErr}
	for _, n := range nodes {
		errs = append(errs, n.Kill(ctx))
	}
	return errors.Join(errs...)
}

// gateways are the names of the replicas whose process runs, in order.
func (r *Runtime) gateways() []string {
	r.mu.Lock()
	nodes := slices.Collect(maps.Values(r.nodes))
	r.mu.Unlock()
	var names []string
	for _, n := range nodes { // without the lock: a node that starts holds its own and asks for its address
		if n.role == topology.RoleGateway && n.running() {
			names = append(names, n.name)
		}
	}
	slices.Sort(names)
	return names
}

// node is one node: servers that can be stopped and started again at the same addresses.
type node struct {
	runtime    *Runtime
	name, role string

	mu      sync.Mutex
	stop    []func() // nil: it does not run
	started time.Time
}

var _ lab.Node = (*node)(nil)

func (n *node) Name() string             { return n.name }
func (n *node) Role() string             { return n.role }
func (n *node) Addr(port int) string     { return n.runtime.addr(n.name, port) }
func (n *node) HostAddr(port int) string { return n.runtime.addr(n.name, port) }

func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stop != nil
}

func (n *node) Start(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop != nil {
		return nil
	}
	n.stop, n.started = []func(){}, time.Now()
	for port, serve := range servers(n) {
		l, err := n.runtime.listen(n.name, port)
		if err != nil {
			return fmt.Errorf("start %s: %w", n.name, err)
		}
		n.stop = append(n.stop, serve(l))
	}
	return nil
}

func (n *node) Kill(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, stop := range n.stop {
		stop()
	}
	n.stop = nil
	return nil
}

func (n *node) Stop(ctx context.Context, _ time.Duration) error { return n.Kill(ctx) }

// Whatever freezes or disconnects a node has no effect here.
func (n *node) Pause(context.Context) error     { return nil }
func (n *node) Resume(context.Context) error    { return nil }
func (n *node) CutOff(context.Context) error    { return nil }
func (n *node) Reconnect(context.Context) error { return nil }

// Usage grows by a hundredth of a core. What the whole process uses is the worker's.
func (n *node) Usage(context.Context) (lab.Usage, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.role == topology.RoleWorker {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			return lab.Usage{}, err
		}
		return lab.Usage{CPUSeconds: time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds(), MemoryBytes: 10 << 20}, nil
	}
	return lab.Usage{CPUSeconds: time.Since(n.started).Seconds() / 100, MemoryBytes: 10 << 20}, nil
}

func (n *node) Logs(context.Context) (string, error) { return "log of " + n.name, nil }

func (n *node) State(context.Context) (lab.State, error) {
	return lab.State{Running: n.running(), Connected: true}, nil
}

func (n *node) Running(context.Context) (bool, error) { return n.running(), nil }
