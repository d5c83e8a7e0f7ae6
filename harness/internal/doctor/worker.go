package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// worker is a load worker with a null server, in a process of its own.
type worker struct {
	api  string // host:port
	null string // likewise

	cancel context.CancelFunc
	said   bytes.Buffer  // to be read when it has ended
	ended  chan struct{} // closed when it has ended
	err    error         // to be read when it has ended
}

const (
	answerWithin = 10 * time.Second
	stopWithin   = 5 * time.Second
)

// startWorker starts the harness as a worker on loopback, and waits until it answers. It runs until stop, or until ctx ends.
func startWorker(ctx context.Context, harness string) (*worker, error) {
	w := &worker{ended: make(chan struct{})}
	for _, addr := range []*string{&w.api, &w.null} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		*addr = l.Addr().String()
		l.Close()
	}
	ctx, w.cancel = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, harness, "worker", "--listen", w.api, "--null", w.null) //nolint:gosec // our own program
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopWithin
	cmd.Stderr = &w.said
	if err := cmd.Start(); err != nil {
		w.cancel()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	go func() {
		w.err = cmd.Wait()
		close(w.ended)
	}()
	if err := w.answers(ctx); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// answers waits until the worker accepts connections.
func (w *worker) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		if c, err := d.DialContext(ctx, "tcp", w.api); err == nil {
			c.Close()
			return nil
		}
		select {
		case <-w.ended:
			return subprocess.Failed(ctx, subprocess.Failure{
				What: "start a worker", Program: "harness worker",
				Advice: "run the doctor again; if it fails again, harness worker by itself says more",
			}, cmp.Or(w.err, errors.New("it ended at once")), w.said.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("start a worker: no answer within %s", answerWithin)
		case <-tick.C:
		}
	}
}

// stop ends the worker, by force if it takes too long.
func (w *worker) stop() {
	w.cancel()
	<-w.ended
}
