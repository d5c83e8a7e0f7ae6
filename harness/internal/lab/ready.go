package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// readyTry bounds one attempt. A published port accepts connections before the
// program behind it does, so an attempt may hang where it should be refused.
const readyTry = 2 * time.Second

// readyPoll is the pause between attempts.
const readyPoll = 20 * time.Millisecond

// WaitReady tries a node's Ready until it succeeds, the node ends, or its time
// is up. The error then holds the end of the node's log.
func WaitReady(ctx context.Context, n Node, s Spec) error {
	if s.Ready == nil {
		return nil
	}
	within := s.ReadyIn
	if within == 0 {
		within = 30 * time.Second
	}
	deadline := time.Now().Add(within)
	for tries := 1; ; tries++ {
		try, cancel := context.WithTimeout(ctx, readyTry)
		err := s.Ready(try, n)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", n.Name(), context.Cause(ctx))
		}
		if tries%10 == 0 {
			if state, serr := n.State(ctx); serr == nil && !state.Running {
				return notReady(ctx, n, fmt.Errorf("it ended with exit code %d", state.ExitCode))
			}
		}
		if time.Now().After(deadline) {
			return notReady(ctx, n, fmt.Errorf("not ready within %s: %w", within, err))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", n.Name(), context.Cause(ctx))
		case <-time.After(readyPoll):
		}
	}
}

func notReady(ctx context.Context, n Node, why error) error {
	logs, err := n.Logs(ctx)
	if err != nil || logs == "" {
		return fmt.Errorf("%s: %w", n.Name(), why)
	}
	lines := strings.Split(logs, "\n")
	return fmt.Errorf("%s: %w; the end of its log:\n  %s", n.Name(), why, strings.Join(lines[max(0, len(lines)-15):], "\n  "))
}
