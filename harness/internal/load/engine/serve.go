package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/internal/webguard"
)

// WorkerConfig says where a worker listens.
type WorkerConfig struct {
	Listen         string   // host:port of the API
	Hosts          []string // further names by which the API is reached
	Null           string   // host:port of a null server; empty: none
	AllowedTargets []string // hosts that may be attacked beside loopback, as host or host:port
}

// shutdownTime is what a worker takes at most to end.
const shutdownTime = 5 * time.Second

// Serve runs a worker until ctx ends; then attacks under way are stopped.
func Serve(ctx context.Context, c WorkerConfig) error {
	if err := raiseFileLimit(); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	guard, err := webguard.New(webguard.Config{Listen: c.Listen, Hosts: c.Hosts, Refuse: refusePage})
	if err != nil {
		l.Close()
		return fmt.Errorf("worker: hosts: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	if c.Null != "" {
		group.Go(func() error { return ServeNull(ctx, c.Null) })
	}
	w := NewWorker(c.AllowedTargets)
	// Stopping an attack waits for its end.
	server := webguard.NewServer(guard.Wrap(w.Handler()), webguard.Limits{Write: 5 * time.Minute})
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("worker: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		return ending(ctx, func(ctx context.Context) error {
			w.Close()
			return server.Shutdown(ctx)
		})
	})
	return group.Wait()
}

func refusePage(rw http.ResponseWriter, _ *http.Request, r *webguard.Refusal) {
	refuse(rw, http.StatusForbidden, errors.New(r.Message))
}

// ServeNull runs a null server at listen until ctx ends.
func ServeNull(ctx context.Context, listen string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("null server: %w", err)
	}
	null := NewNullServer()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return null.Serve(l) })
	group.Go(func() error { return ending(ctx, null.Shutdown) })
	return group.Wait()
}

// ending calls end when ctx is over. What does not end in time is left: the
// process is about to.
func ending(ctx context.Context, end func(context.Context) error) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := end(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
