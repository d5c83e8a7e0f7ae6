package fault

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// settleTimeout is longer than any balancer ejects a replica for.
const settleTimeout = 45 * time.Second

// Settled sends requests to every running balancer until the replica of that name
// has responded. Any response counts, also a rejection: each names its replica.
func Settled(ctx context.Context, balancers []lab.Node, name string) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for _, lb := range balancers {
		if running, err := lb.Running(ctx); err != nil || !running {
			continue // it sends no requests to any replica
		}
		if err := until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
			node, err := replicaBehind(ctx, lb.HostAddr(topology.PortBalancer))
			return err == nil && node == name, "the last response was from " + node, err
		}); err != nil {
			return fmt.Errorf("%s sends %s no requests: %w", lb.Name(), name, err)
		}
	}
	return nil
}

// replicaBehind is the replica that responded to one request to a balancer.
func replicaBehind(ctx context.Context, addr string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/gatelab-who", http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	return res.Header.Get("X-Gateway-Node"), nil
}
