package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// runsIn is how long a pod may take until it runs, its image being there. It includes the scheduler.
const runsIn = 90 * time.Second

// Prepare sweeps, and makes sure of every image and of the namespace.
func (r *Runtime) Prepare(ctx context.Context, specs []lab.Spec) error {
	removed, err := r.Sweep(ctx)
	if err != nil {
		return err
	}
	if len(removed) > 0 {
		r.progress("removed what a dead run left: %s", strings.Join(removed, ", "))
	}
	for _, s := range specs {
		if _, err := r.image(ctx, s); err != nil {
			return err
		}
	}
	if err := r.place(ctx, specs); err != nil {
		return err
	}
	return r.ensureSpace(ctx)
}

// Start makes a node's service, files and pod, and waits until the pod runs.
func (r *Runtime) Start(ctx context.Context, s lab.Spec) (lab.Node, error) {
	img, err := r.image(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := r.ensureSpace(ctx); err != nil {
		return nil, err
	}
	n, err := r.reserve(s, img)
	if err != nil {
		return nil, err
	}
	if err := n.make(ctx, s); err != nil {
		err = fmt.Errorf("start %s: %w", s.Name, err)
		return nil, errors.Join(err, r.Remove(context.WithoutCancel(ctx), n))
	}
	return n, nil
}

// reserve gives the node its name and its ports on loopback.
func (r *Runtime) reserve(s lab.Spec, img image) (*node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("the lab is closed")
	}
	if r.nodes[s.Name] != nil {
		return nil, fmt.Errorf("start %s: there is a node of that name", s.Name)
	}
	n := &node{runtime: r, name: s.Name, role: s.Role, pod: r.podOf(s, img)}
	if err := n.publish(s); err != nil {
		n.unpublish()
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	r.nodes[s.Name] = n
	return n, nil
}

// make makes what a node consists of.
func (n *node) make(ctx context.Context, s lab.Spec) error {
	r := n.runtime
	if len(s.Files) > 0 {
		if _, err := r.api.secrets(r.space).Create(ctx, r.secretOf(s), meta.CreateOptions{}); err != nil {
			return fmt.Errorf("its files: %w", err)
		}
	}
	if svc := r.serviceOf(s); len(svc.Spec.Ports) > 0 {
		if _, err := r.api.services(r.space).Create(ctx, svc, meta.CreateOptions{}); err != nil {
			return fmt.Errorf("its service: %w", err)
		}
	}
	return n.Start(ctx)
}

// Start makes the node's pod, as it was, and waits until it runs.
func (n *node) Start(ctx context.Context) error {
	if _, err := n.runtime.api.pods(n.runtime.space).Create(ctx, n.pod.DeepCopy(), meta.CreateOptions{}); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	waiting, cancel := context.WithTimeout(ctx, runsIn)
	defer cancel()
	var last string
	err := poll(waiting, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		p, err := n.get(ctx)
		if err != nil {
			return false, err
		}
		if p.Status.Phase == core.PodRunning {
			n.mu.Lock()
			n.placed = placeOf(p)
			n.mu.Unlock()
			return true, nil
		}
		last = stateOf(p)
		if p.Status.Phase == core.PodFailed || p.Status.Phase == core.PodSucceeded {
			logs, _ := n.Logs(ctx)
			return false, fmt.Errorf("it ended: %s: %s", last, logs)
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("start %s: its pod does not run within %s (%s): %w", n.name, runsIn, last, err)
	}
	return nil
}

// stateOf says why a pod does not run yet, for people.
func stateOf(p *core.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			return strings.TrimSpace(c.State.Waiting.Reason + " " + c.State.Waiting.Message)
		case c.State.Terminated != nil:
			return fmt.Sprintf("exit code %d %s %s", c.State.Terminated.ExitCode, c.State.Terminated.Reason, c.State.Terminated.Message)
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == core.PodScheduled && c.Status != core.ConditionTrue {
			return strings.TrimSpace("not placed: " + c.Message)
		}
	}
	return string(p.Status.Phase)
}
