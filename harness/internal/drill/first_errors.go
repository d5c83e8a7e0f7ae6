package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// lostJob has Prometheus scrape no gateway.
type lostJob struct{ *drill }

func (t *lostJob) begin(ctx context.Context) error { return t.stack.Scrape(ctx, nil) }
func (t *lostJob) end(ctx context.Context) error   { return t.stack.Scrape(ctx, t.targets()) }

// firstErrors starts a replica anew and sends it requests that all fail, at
// once: the counter of their status appears with them, and does not grow.
type firstErrors struct{ *drill }

const (
	brokenService = "fails-from-the-first-request"
	// firstFailures are more than 1% of the steady requests of the window.
	firstFailures = 300
)

func (t *firstErrors) begin(ctx context.Context) error {
	// An upstream without a target is a 503, and no target that is unhealthy.
	for _, step := range []struct {
		path string
		body map[string]any
	}{
		{"/upstreams", map[string]any{"name": brokenService}},
		{"/services", map[string]any{"name": brokenService, "host": brokenService, "retries": 0}},
		{"/services/" + brokenService + "/routes", map[string]any{"name": brokenService, "paths": []any{"/" + brokenService}}},
	} {
		if err := jsonhttp.Send(ctx, http.MethodPost, t.admin()+step.path, step.body, nil); err != nil {
			return err
		}
	}
	restart := t.disrupt(fault.Spec{Kind: fault.KindRestart, Target: cutReplica})
	if err := errors.Join(restart.begin(ctx), restart.end(ctx)); err != nil {
		return err
	}
	n, ok := t.session.Lab.Node(cutReplica)
	if !ok {
		return fmt.Errorf("the lab has no %s", cutReplica)
	}
	key := ""
	if groups := stage.Workload(t.session, t.stage, load.Probes, 1).Consumers; len(groups) > 0 {
		key = groups[0].Keys[0]
	}
	return failAtOnce(ctx, "http://"+n.HostAddr(topology.PortProxy)+"/"+brokenService, key, firstFailures)
}

func (t *firstErrors) end(ctx context.Context) error {
	return errors.Join(
		jsonhttp.Send(ctx, http.MethodDelete, t.admin()+"/services/"+brokenService+"/routes/"+brokenService, nil, nil),
		jsonhttp.Send(ctx, http.MethodDelete, t.admin()+"/services/"+brokenService, nil, nil),
		jsonhttp.Send(ctx, http.MethodDelete, t.admin()+"/upstreams/"+brokenService, nil, nil))
}

// failAtOnce sends n requests with a consumer's key, a few at a time, and wants
// a 5xx for each. It ends with the first that is answered otherwise.
func failAtOnce(ctx context.Context, url, key string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	var sending sync.WaitGroup
	const lanes = 10
	for range lanes {
		sending.Go(func() {
			for range n / lanes {
				if err := failOnce(ctx, url, key); err != nil {
					give(err)
					return
				}
			}
		})
	}
	sending.Wait()
	return context.Cause(ctx)
}

func failOnce(ctx context.Context, url, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("apikey", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection is used again
	res.Body.Close()
	if res.StatusCode < 500 {
		return fmt.Errorf("GET %s: status %d, want a server error", url, res.StatusCode)
	}
	return nil
}
