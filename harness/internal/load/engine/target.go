package engine

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// CheckTarget refuses a target that is not ours to attack. Allowed are
// loopback, and what the caller names in allowed, by host or host:port, such as
// the nodes of its own lab.
func CheckTarget(ctx context.Context, allowed []string, target string) error {
	hostPort, err := load.Attack{Target: target}.HostPort()
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if slices.Contains(allowed, host) || slices.Contains(allowed, hostPort) {
		return nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("target %s: %w", host, err)
	}
	for _, a := range addrs {
		if !a.Unmap().IsLoopback() {
			return fmt.Errorf("target %s is %s, which is not loopback: allow it by name (--allow-target) to attack it", host, a)
		}
	}
	return nil
}
