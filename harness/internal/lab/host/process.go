package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// process is one life of a node.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended and was waited for; nil for one that another process started
	// alive says whether it runs, where it is not ours to wait for.
	alive func() bool

	mu   sync.Mutex
	end  *os.ProcessState
	last lab.Usage
}

// spawn starts a node's program in a process group of its own, so that a Ctrl-C
// in the terminal reaches only the harness, which then ends the nodes in order.
func spawn(n *node) (*process, error) {
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // a log
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cred := n.runtime.cred
	if cred != nil {
		// nginx opens it again by its name under /dev.
		if err := log.Chown(int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(n.argv[0], n.argv[1:]...) //nolint:gosec // our own command line
	cmd.Dir = n.dir
	cmd.Env = n.environment()
	cmd.Stdout = log
	cmd.Stderr = log
	keep := n.runtime.config.Keep
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: !keep, Setsid: keep}
	if err := startOn(n.spec.Cores, cmd); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	// Only ever less urgent, so that no rights are needed; a failure costs
	// precision, not correctness.
	_ = syscall.Setpriority(syscall.PRIO_PGRP, p.pid, niceness(n.spec.CPUWeight))
	go func() {
		_ = cmd.Wait() // the state says all
		p.mu.Lock()
		p.end = cmd.ProcessState
		p.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

func (p *process) running() bool {
	if p.alive != nil {
		return p.alive()
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ended waits for the end, until ctx is over.
func (p *process) ended(ctx context.Context) bool {
	if p.alive == nil {
		select {
		case <-p.done:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return retry(ctx, 10*time.Millisecond, 0, func() error {
		if p.alive() {
			return fmt.Errorf("process %d runs", p.pid)
		}
		return nil
	}) == nil
}

// signal reaches the program's first process only.
func (p *process) signal(s syscall.Signal) error {
	if !p.running() {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.pid, s)
}

// kill ends the process group; what has left it is found by its folder.
func (p *process) kill() {
	if p.running() {
		p.used() // its counters go with it
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}

// exitCode is as a shell has it: 128 and the signal for what was killed; -1 for
// what was another process's to wait for.
func (p *process) exitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive != nil {
		return -1
	}
	if p.end == nil {
		return 0
	}
	if w, ok := p.end.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.end.ExitCode()
}

// used is what this life has used, up to now or in all.
func (p *process) used() lab.Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end != nil {
		// Of the dead the kernel tells what was waited for, which leaves out
		// grandchildren that were killed with their parent.
		total := (p.end.UserTime() + p.end.SystemTime()).Seconds()
		p.last.CPUSeconds = max(p.last.CPUSeconds, total)
		p.last.MemoryBytes = 0
		return p.last
	}
	its := descendants(p.pid)
	cpu, memory := usageOf(its)
	p.last.Switches = max(p.last.Switches, switchesOf(its))
	p.last.CPUSeconds = max(p.last.CPUSeconds, cpu.Seconds())
	p.last.MemoryBytes = memory
	p.last.MemoryPeakBytes = max(p.last.MemoryPeakBytes, memory)
	return p.last
}
