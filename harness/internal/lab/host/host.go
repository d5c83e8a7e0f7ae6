// Package host makes a lab's nodes as child processes of this machine, for
// machines without a container engine.
//
// Each node has a loopback address of its own (127.0.SLOT.N) and a folder of
// its own, which is also the working directory of all its processes: that is
// how they are found again when the harness that started them was killed. No
// node ever runs as root. What needs a kernel's namespace or control group
// (limits of CPU and memory) is not enforced here, which Info says.
package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Config is what a Runtime needs.
type Config = lab.RuntimeConfig

// Name is the runtime's, as in --runtime.
const Name = "host"

// Driver makes runtimes of processes.
func Driver() lab.Driver {
	return lab.Driver{
		Name:        Name,
		Description: "processes of this machine",
		Available:   func(context.Context) error { return nil },
		New:         func(ctx context.Context, c lab.RuntimeConfig) (lab.Runtime, error) { return New(ctx, c) },
	}
}

// Runtime is a lab.Runtime of child processes.
type Runtime struct {
	config   Config
	dir      *dir
	addr     *addresses
	cred     *syscall.Credential // nil: this process is not root
	front    *front
	programs *programs

	mu     sync.Mutex
	nodes  map[string]*node
	closed bool
}

var (
	_ lab.Runtime = (*Runtime)(nil)
	_ lab.Lacker  = (*Runtime)(nil)
)

// New claims a folder and a range of loopback addresses. It removes what a dead
// run left there. Sweep does so everywhere.
func New(_ context.Context, c Config) (*Runtime, error) {
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	keepToOurselves()
	cred := unprivileged(os.Geteuid())
	d, err := claim(cred, c.RunID, c.Keep)
	if err != nil {
		return nil, fmt.Errorf("host runtime: %w", err)
	}
	return &Runtime{
		config: c, dir: d, addr: newAddresses(d.slot, c.Ports, c.Cut), cred: cred,
		programs: newPrograms(c.Binaries), nodes: map[string]*node{},
	}, nil
}

// unprivileged is how children are started when this process is root: as
// nobody. Postgres refuses to be root, and no other node needs to be.
func unprivileged(euid int) *syscall.Credential {
	if euid != 0 {
		return nil
	}
	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

// nobody is the user and group without rights on every common system.
const nobody = 65534

// Layout says where nodes listen and are reached.
func (r *Runtime) Layout() lab.Layout {
	return lab.Layout{Listen: r.addr.listen, Addr: r.addr.dial}
}

// Prepare sweeps, finds every program that the specs need (installing what is
// missing where it may), and decides on stand-ins.
func (r *Runtime) Prepare(ctx context.Context, specs []lab.Spec) error {
	removed, err := r.Sweep(ctx)
	if err != nil {
		return err
	}
	if len(removed) > 0 {
		r.config.Progress("removed what a dead run left: " + strings.Join(removed, ", "))
	}
	if missing := r.programs.missing(specs); len(missing) > 0 && r.config.Install != nil {
		if err := r.config.Install(ctx, missing); err != nil {
			r.config.Progress(err.Error())
		}
	}
	if err := r.programs.resolve(specs); err != nil {
		return err
	}
	for _, line := range r.programs.news() {
		r.config.Progress(line)
	}
	return r.startFront(ctx)
}

// Lacks says whether a program of optional nodes was not found by Prepare.
func (r *Runtime) Lacks(program string) bool { return r.programs.without(program) }

// Start makes a node's folder and starts its process.
func (r *Runtime) Start(ctx context.Context, s lab.Spec) (lab.Node, error) {
	n, err := r.reserve(s)
	if err != nil {
		return nil, err
	}
	err = n.prepare(ctx)
	if err == nil {
		err = r.front.open(ctx, n)
	}
	if err == nil {
		err = n.Start(ctx)
	}
	if err != nil {
		r.mu.Lock()
		delete(r.nodes, s.Name)
		r.mu.Unlock()
		return nil, errors.Join(fmt.Errorf("start %s: %w", s.Name, err), n.remove(context.WithoutCancel(ctx)))
	}
	return n, nil
}

func (r *Runtime) reserve(s lab.Spec) (*node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("the lab is closed")
	}
	if r.nodes[s.Name] != nil {
		return nil, fmt.Errorf("start %s: there is a node of that name", s.Name)
	}
	n := newNode(r, s)
	r.nodes[s.Name] = n
	return n, nil
}

// Remove ends a node at once and removes its folder.
func (r *Runtime) Remove(ctx context.Context, n lab.Node) error {
	r.mu.Lock()
	own, ok := r.nodes[n.Name()]
	if ok && lab.Node(own) == n {
		delete(r.nodes, n.Name())
	}
	r.mu.Unlock()
	if !ok || lab.Node(own) != n {
		return nil // removed before
	}
	if err := own.remove(ctx); err != nil {
		return fmt.Errorf("remove %s: %w", n.Name(), err)
	}
	return nil
}

// Info is what the nodes are made of, and what this runtime does not do.
func (r *Runtime) Info(context.Context) map[string]string {
	info := map[string]string{
		"runtime":   "host",
		"addresses": r.addr.describe(),
		"limits":    "CPU and memory limits of nodes are not enforced",
		"user":      "the user of the harness",
	}
	if r.cred != nil {
		info["user"] = "nobody"
	}
	for k, v := range r.programs.info() {
		info[k] = v
	}
	return info
}

// Sweep ends the processes and removes the folders of runs whose harness is
// dead, and returns the names of what it removed.
func (r *Runtime) Sweep(context.Context) ([]string, error) {
	removed, err := sweep(r.dir.path)
	r.mu.Lock()
	removed, r.dir.left = append(r.dir.left, removed...), nil
	r.mu.Unlock()
	if err != nil {
		return removed, fmt.Errorf("sweep: %w", err)
	}
	return removed, nil
}

// Close ends every process and removes every file of this run.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	nodes := r.nodes
	r.nodes = map[string]*node{}
	r.mu.Unlock()
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.remove(ctx))
	}
	errs = append(errs, r.front.close(ctx), r.dir.remove())
	return errors.Join(errs...)
}

// Down ends and removes the labs that were left running with Keep, and returns
// the names of what it removed.
func (r *Runtime) Down(context.Context) ([]string, error) {
	removed, err := each(func(_ string, o owner, known bool) bool { return known && o.Keep && r.concerns(o) })
	if err != nil {
		return removed, fmt.Errorf("down: %w", err)
	}
	return removed, nil
}

// concerns tells whether Attach and Down are about that run.
func (r *Runtime) concerns(o owner) bool { return r.config.RunID == "" || o.RunID == r.config.RunID }
