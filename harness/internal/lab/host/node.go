package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// node is one program and its descendants, in a folder of its own.
type node struct {
	runtime *Runtime
	spec    lab.Spec
	dir     string
	argv    []string

	mu      sync.Mutex
	process *process // the present life, or the last
	cut     bool
	past    lab.Usage // of earlier lives
}

var _ lab.Node = (*node)(nil)

func newNode(r *Runtime, s lab.Spec) *node {
	return &node{runtime: r, spec: s, dir: r.dir.node(s.Name)}
}

func (n *node) Name() string { return n.spec.Name }
func (n *node) Role() string { return n.spec.Role }

func (n *node) Addr(port int) string { return n.runtime.addr.dial(n.spec.Name, port) }

// HostAddr is the node's own address: the harness does not go through the proxy
// that can cut it off.
func (n *node) HostAddr(port int) string {
	for _, p := range n.spec.Ports {
		if p == port {
			return n.runtime.addr.listen(n.spec.Name, port)
		}
	}
	return ""
}

// Start starts the program again, on the data that it left.
func (n *node) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil && n.process.running() {
		return nil
	}
	if err := n.portsFree(ctx); err != nil {
		return err
	}
	if n.process != nil {
		n.past = add(n.past, n.process.used())
		if err := n.unlockData(); err != nil {
			return fmt.Errorf("start %s: %w", n.spec.Name, err)
		}
	}
	for _, folder := range n.spec.Scratch { // empty after every start
		if err := n.folder(n.local(folder)); err != nil {
			return err
		}
	}
	p, err := spawn(n)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.spec.Name, err)
	}
	n.process = p
	if n.runtime.config.Keep {
		if err := n.writeRecord(p.pid); err != nil {
			return fmt.Errorf("start %s: write %s: %w", n.spec.Name, recordFile, err)
		}
	}
	return nil
}

// portsFree names a port that another process uses before the program fails with
// an error of its own.
func (n *node) portsFree(ctx context.Context) error {
	for _, port := range n.spec.Ports {
		addr := n.runtime.addr.listen(n.spec.Name, port)
		// A process that was just killed may not have released it yet.
		err := retry(ctx, 25*time.Millisecond, time.Second, func() error {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			return l.Close()
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s, wanted for %s (its port %d), is in use: stop what listens there or choose another",
				addr, n.spec.Name, port)
		}
	}
	return nil
}

// Stop asks the program to end, in the way that its makers mean for it, and
// kills what is left of it after grace.
func (n *node) Stop(ctx context.Context, grace time.Duration) error {
	p := n.current()
	if p == nil {
		return nil
	}
	_ = p.signal(stopSignal(n.spec.Program))
	_ = p.signal(syscall.SIGCONT) // one that is held would not hear it
	asked, cancel := context.WithTimeout(ctx, grace)
	p.ended(asked)
	cancel()
	return n.Kill(context.WithoutCancel(ctx))
}

// stopSignal lets nginx finish its requests and Postgres end its sessions.
func stopSignal(program string) syscall.Signal {
	switch program {
	case lab.ProgramNginx:
		return syscall.SIGQUIT
	case lab.ProgramPostgres:
		return syscall.SIGINT
	}
	return syscall.SIGTERM
}

// Kill ends the program and all of its descendants at once.
func (n *node) Kill(ctx context.Context) error {
	p := n.current()
	if p == nil {
		return nil
	}
	p.kill()
	if err := killAll(n.dir); err != nil {
		return fmt.Errorf("kill %s: %w", n.spec.Name, err)
	}
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !p.ended(waiting) {
		return fmt.Errorf("kill %s: process %d does not end", n.spec.Name, p.pid)
	}
	return nil
}

// Pause holds every process of the node.
func (n *node) Pause(context.Context) error { return n.hold(syscall.SIGSTOP, true) }

// Resume lets them go on.
func (n *node) Resume(context.Context) error { return n.hold(syscall.SIGCONT, false) }

func (n *node) hold(s syscall.Signal, paused bool) error {
	p := n.current()
	if p == nil || !p.running() {
		return fmt.Errorf("signal %s: it does not run", n.spec.Name)
	}
	// The parent first: it must not start new ones meanwhile.
	for _, pid := range descendants(p.pid) {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %s: %w", n.spec.Name, err)
		}
	}
	// It takes a while until every thread has seen a signal.
	return retry(context.Background(), 5*time.Millisecond, time.Second, func() error {
		if stopped(p.pid) != paused {
			return fmt.Errorf("signal %s: %s has no effect", n.spec.Name, s)
		}
		return nil
	})
}

// CutOff lets nothing more through to the node. Connections stay open and what
// is sent on them is lost; what the node itself sends to others still arrives.
func (n *node) CutOff(ctx context.Context) error { return n.connect(ctx, false) }

// Reconnect undoes CutOff. Connections from before are reset: bytes are missing
// in them.
func (n *node) Reconnect(ctx context.Context) error { return n.connect(ctx, true) }

func (n *node) connect(ctx context.Context, on bool) error {
	if err := n.runtime.front.set(ctx, n, on); err != nil {
		return err
	}
	n.mu.Lock()
	n.cut = !on
	n.mu.Unlock()
	return nil
}

// State looks at the process itself.
func (n *node) State(context.Context) (lab.State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := lab.State{Connected: !n.cut}
	if n.process == nil {
		return s, nil
	}
	s.Running = n.process.running()
	if s.Running {
		s.Paused = stopped(n.process.pid)
	} else {
		s.ExitCode = n.process.exitCode()
	}
	return s, nil
}

// Running says whether the program's process runs.
func (n *node) Running(ctx context.Context) (bool, error) {
	s, err := n.State(ctx)
	return s.Running, err
}

// Usage is cumulative over restarts of the node.
func (n *node) Usage(context.Context) (lab.Usage, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return n.past, nil
	}
	return add(n.past, n.process.used()), nil
}

// add is the usage of a node over two of its lives; memory in use is the later
// one's.
func add(past, now lab.Usage) lab.Usage {
	return lab.Usage{
		CPUSeconds:      past.CPUSeconds + now.CPUSeconds,
		MemoryBytes:     now.MemoryBytes,
		MemoryPeakBytes: max(past.MemoryPeakBytes, now.MemoryPeakBytes),
		Switches:        past.Switches + now.Switches,
	}
}

// logLines and logBytes bound what Logs returns.
const (
	logLines = 200
	logBytes = 256 << 10
)

// Logs is the end of what the node wrote to its standard output and error.
func (n *node) Logs(context.Context) (string, error) {
	f, err := os.Open(n.logFile())
	if err != nil {
		return "", fmt.Errorf("read the logs of %s: %w", n.spec.Name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the logs of %s: %w", n.spec.Name, err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-logBytes), logBytes))
	if err != nil {
		return "", fmt.Errorf("read the logs of %s: %w", n.spec.Name, err)
	}
	lines := strings.Split(string(bytes.TrimRight(b, "\n")), "\n")
	return strings.Join(lines[max(0, len(lines)-logLines):], "\n"), nil
}

func (n *node) logFile() string { return filepath.Join(n.dir, "log") }

func (n *node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// remove ends the node and removes its folder.
func (n *node) remove(ctx context.Context) error {
	err := n.Kill(ctx)
	return errors.Join(err, n.runtime.front.shut(ctx, n), os.RemoveAll(n.dir))
}

// prepare makes the node's folder and files, and its command line.
func (n *node) prepare(ctx context.Context) error {
	for _, folder := range []string{n.dir, n.local("/tmp")} {
		if err := n.folder(folder); err != nil {
			return err
		}
	}
	for path, content := range n.spec.Files {
		path = n.local(path)
		if err := n.folder(filepath.Dir(path)); err != nil {
			return err
		}
		// What the program keeps under /tmp lies in the node's folder here.
		content = bytes.ReplaceAll(content, []byte("/tmp/"), []byte(n.local("/tmp")+"/"))
		if err := os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // read by another user
			return err
		}
	}
	var err error
	n.argv, err = n.runtime.programs.command(ctx, n)
	return err
}

// local is where a path inside the node lies on this machine.
func (n *node) local(path string) string { return filepath.Join(n.dir, "root", path) }

// folder makes a folder, and those on the way from the node's own, that the
// node's user owns.
func (n *node) folder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // read by another user
		return err
	}
	for ; n.runtime.cred != nil && strings.HasPrefix(path, n.dir); path = filepath.Dir(path) {
		if err := os.Chown(path, int(n.runtime.cred.Uid), int(n.runtime.cred.Gid)); err != nil {
			return err
		}
	}
	return nil
}

// environment is the node's own, as in a container: nothing of ours but PATH.
func (n *node) environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "TMPDIR=" + n.local("/tmp"), "LC_ALL=C"}
	for k, v := range n.spec.Env {
		env = append(env, k+"="+v)
	}
	return env
}

// niceness translates a CPU weight, relative to the heaviest, into a nice value.
func niceness(weight int64) int {
	if weight == 0 {
		weight = 1024
	}
	nice := 0
	// The kernel gives each step of nice a quarter more.
	for w := float64(weight); w < heaviest && nice < 19; w *= 1.25 {
		nice++
	}
	return nice
}

// heaviest is the weight of the load worker, which has priority over all others.
const heaviest = 8192

func portName(node string, port int) string { return node + "-" + strconv.Itoa(port) }
