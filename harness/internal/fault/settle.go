package fault

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gatelab/harness/internal/lab"
)

// settledWithin is longer than any balancer leaves a replica out.
const settledWithin = 45 * time.Second

// Settled asks every balancer that runs until the replica of that name itself
// has answered. Any answer will do, also a refusal: each names its replica.
func Settled(ctx context.Context, balancers []lab.Node, name string) error {
	ctx, cancel := context.WithTimeout(ctx, settledWithin)
	defer cancel()
	for _, lb := range balancers {
		if running, err := lb.Running(ctx); err != nil || !running {
			continue // it has no say
		}
		if err := until(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, string, error) {
			node, err := whoAnswers(ctx, lb.HostAddr(lab.PortBalancer))
			return err == nil && node == name, "the last answer was by " + node, err
		}); err != nil {
			return fmt.Errorf("%s sends %s no requests: %w", lb.Name(), name, err)
		}
	}
	return nil
}

// whoAnswers is the replica behind one answer of a balancer.
func whoAnswers(ctx context.Context, addr string) (string, error) {
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
