package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"gatelab/harness/internal/subprocess"
)

// child is a process of the stack.
type child struct {
	name  string
	cmd   *exec.Cmd
	log   string        // file of what it writes
	ended chan struct{} // closed when it has ended
	how   error         // not nil; to be read when it has ended
}

const (
	readyIn = 30 * time.Second // on a busy machine
	stopIn  = 5 * time.Second
)

// The programs that a drill starts, by the names under which they are found.
var (
	prometheusNames   = []string{"prometheus"}
	alertmanagerNames = []string{"alertmanager", "prometheus-alertmanager"}
)

// Installed says what is missing for a drill, and how to get it; nil where
// nothing is.
func Installed() error {
	for _, names := range [][]string{alertmanagerNames, prometheusNames} {
		if _, err := find(names); err != nil {
			return err
		}
	}
	return nil
}

// find is the path of the first of the named programs that there is.
func find(names []string) (string, error) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: run make deps (Debian: apt-get install prometheus prometheus-alertmanager)", names[0])
}

// launch starts the first of the named programs that there is, and waits until
// URL/-/ready says yes.
func (s *Stack) launch(ctx context.Context, url string, names []string, args ...string) (*child, error) {
	program, err := find(names)
	if err != nil {
		return nil, err
	}
	c := &child{name: names[0], log: s.path(filepath.Base(names[0]) + ".log"), ended: make(chan struct{})}
	out, err := os.Create(c.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c.cmd = exec.Command(program, args...)
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = s.dir, out, out
	// A Ctrl-C is for the harness, which ends its children in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, c.failed(ctx, err)
	}
	go func() {
		c.how = cmp.Or(c.cmd.Wait(), errors.New("it ended at once"))
		close(c.ended)
	}()
	s.children = append(s.children, c)
	return c, c.ready(ctx, url+"/-/ready")
}

func (c *child) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyIn, fmt.Errorf("not ready in %s", readyIn))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(ctx, url) {
			return nil
		}
		select {
		case <-ctx.Done():
			return c.failed(ctx, context.Cause(ctx))
		case <-c.ended:
			return c.failed(ctx, c.how)
		case <-tick.C:
		}
	}
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	res, err := asker.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// failed makes a sentence of how it ended, with the last line of its log.
func (c *child) failed(ctx context.Context, err error) error {
	said, rerr := os.ReadFile(c.log)
	if rerr != nil {
		said = []byte(rerr.Error())
	}
	return subprocess.Failed(ctx, subprocess.Failure{What: "start the drill's " + c.name, Program: c.cmd.Path,
		Advice: "see that it is whole (make deps installs it) and that " + os.TempDir() + " has room"}, err, said)
}

// stop ends the process, by force when it takes too long.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
		return
	case <-time.After(stopIn):
	}
	_ = c.cmd.Process.Kill()
	<-c.ended
}
