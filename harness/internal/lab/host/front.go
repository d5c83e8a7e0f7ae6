package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// frontPort is the port of the front's admin API.
const frontPort = 8474

// frontNode is the name of the process that stands in front of nodes that can
// be cut off: a link, with toxiproxy's admin API.
const frontNode = "front"

// front is that process. A nil front has no node behind it.
type front struct {
	node  *node
	admin string // URL
}

// startFront starts the process where a node may have to be disconnected.
func (r *Runtime) startFront(ctx context.Context) error {
	if len(r.config.Cut) == 0 || r.front != nil {
		return nil
	}
	addr := r.addr.listen(frontNode, frontPort)
	n := newNode(r, lab.Spec{
		Name: frontNode, Role: frontNode, Program: lab.ProgramHarness,
		Args: []string{"link", "--admin=" + addr}, Ports: []int{frontPort},
	})
	f := &front{node: n, admin: "http://" + addr}
	if err := n.prepare(ctx); err != nil {
		return fmt.Errorf("start the cut-off proxies: %w", err)
	}
	if err := n.Start(ctx); err != nil {
		return fmt.Errorf("start the cut-off proxies: %w", err)
	}
	r.front = f
	if err := retry(ctx, 10*time.Millisecond, 10*time.Second, func() error {
		return f.call(ctx, http.MethodGet, "/version", nil)
	}); err != nil {
		return fmt.Errorf("start the cut-off proxies: %w", err)
	}
	return nil
}

// open puts a proxy in front of each port of a node that can be disconnected.
func (f *front) open(ctx context.Context, n *node) error {
	if f == nil || !n.runtime.addr.fronted(n.spec.Name) {
		return nil
	}
	for _, port := range n.spec.Ports {
		err := f.call(ctx, http.MethodPost, "/proxies", map[string]any{
			"name": portName(n.spec.Name, port), "listen": n.runtime.addr.dial(n.spec.Name, port),
			"upstream": n.runtime.addr.listen(n.spec.Name, port), "enabled": true,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shut takes a node's proxies away again.
func (f *front) shut(ctx context.Context, n *node) error {
	if f == nil || !n.runtime.addr.fronted(n.spec.Name) || n == f.node || !f.node.current().running() {
		return nil
	}
	var errs []error
	for _, port := range n.spec.Ports {
		errs = append(errs, f.call(ctx, http.MethodDelete, "/proxies/"+portName(n.spec.Name, port), nil))
	}
	return errors.Join(errs...)
}

// set lets traffic to a node through, or loses it.
func (f *front) set(ctx context.Context, n *node, on bool) error {
	if f == nil || !n.runtime.addr.fronted(n.spec.Name) {
		return fmt.Errorf("disconnect %s: processes of one machine have no network of their own: "+
			"only nodes that the scenario disconnects have a proxy for it; name the fault in the scenario, "+
			"or use the docker runtime", n.spec.Name)
	}
	for _, port := range n.spec.Ports {
		proxy := "/proxies/" + portName(n.spec.Name, port)
		for _, stream := range []string{"upstream", "downstream"} {
			var err error
			if on {
				err = f.call(ctx, http.MethodDelete, proxy+"/toxics/cut_"+stream, nil)
			} else {
				// A time-out of zero loses all data and closes nothing.
				err = f.call(ctx, http.MethodPost, proxy+"/toxics", map[string]any{
					"name": "cut_" + stream, "type": "timeout", "stream": stream, "attributes": map[string]any{"timeout": 0},
				})
			}
			if err != nil {
				return err
			}
		}
		if !on {
			continue
		}
		// Closes the connections that have lost bytes.
		for _, enabled := range []bool{false, true} {
			if err := f.call(ctx, http.MethodPost, proxy, map[string]any{"enabled": enabled}); err != nil {
				return err
			}
		}
	}
	return nil
}

// call sends a request to the admin API. Removing what does not exist is no error.
func (f *front) call(ctx context.Context, method, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, f.admin+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("cut-off proxies: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && (method != http.MethodDelete || res.StatusCode != http.StatusNotFound) {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 512))
		return fmt.Errorf("cut-off proxies: %s %s: %d: %s", method, path, res.StatusCode, bytes.TrimSpace(text))
	}
	return nil
}

func (f *front) close(ctx context.Context) error {
	if f == nil {
		return nil
	}
	return f.node.remove(ctx)
}
