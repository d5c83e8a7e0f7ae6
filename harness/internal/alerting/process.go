package alerting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// process is a process of the stack.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string        // file of its output
	ended chan struct{} // closed when it has ended
	err   error         // not nil; to be read when it has ended
}

const (
	readyWithin = 30 * time.Second // on a busy machine
	stopWithin  = 5 * time.Second
)

// The programs that a drill starts, by the names under which they are found.
var (
	prometheusNames   = []string{"prometheus"}
	alertmanagerNames = []string{"alertmanager", "prometheus-alertmanager"}
)

// Installed is an error that says which program is missing for a drill, and how to get it; nil if none is.
func Installed() error {
	for _, names := range [][]string{alertmanagerNames, prometheusNames} {
		if _, err := find(names); err != nil {
			return err
		}
	}
	return nil
}

// find is the path of the first of the named programs that is installed.
func find(names []string) (string, error) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: run make deps (Debian: apt-get install prometheus prometheus-alertmanager)", names[0])
}

// launch starts the first of the named programs that is installed, and waits until URL/-/ready answers with success.
func (s *Stack) launch(ctx context.Context, url string, names []string, args ...string) (*process, error) {
	path, err := find(names)
	if err != nil {
		return nil, err
	}
	p := &process{name: names[0], log: s.path(filepath.Base(names[0]) + ".log"), ended: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir = s.dir
	p.cmd.Stdout = out
	p.cmd.Stderr = out
	// Ctrl-C must reach the harness alone, which ends these processes in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, p.failed(ctx, err)
	}
	go func() {
		p.err = cmp.Or(p.cmd.Wait(), errors.New("it ended at once"))
		close(p.ended)
	}()
	s.processes = append(s.processes, p)
	return p, p.ready(ctx, url+"/-/ready")
}

func (p *process) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("not ready in %s", readyWithin))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if jsonhttp.Get(ctx, url, nil) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return p.failed(ctx, context.Cause(ctx))
		case <-p.ended:
			return p.failed(ctx, p.err)
		case <-tick.C:
		}
	}
}

// failed explains why the process failed, with the last line of its log.
func (p *process) failed(ctx context.Context, err error) error {
	said, rerr := os.ReadFile(p.log)
	if rerr != nil {
		said = []byte(rerr.Error())
	}
	return subprocess.Failed(ctx, subprocess.Failure{
		What: "start the drill's " + p.name, Program: p.cmd.Path,
		Advice: "check its installation (make deps installs it) and the free space in " + os.TempDir(),
	}, err, said)
}

// stop ends the process, by force if it takes too long.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return
	case <-time.After(stopWithin):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}
