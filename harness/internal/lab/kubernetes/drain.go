package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// annotationCordoned is on machines that a lab has cordoned; its value is the run's id. It comes and goes in the same change as the cordon,
// so that what a dead run has left is always known, and what an operator has cordoned is left alone.
const annotationCordoned = "gatelab.dev/cordoned-by"

// machine is a machine of the cluster, by the name of its Node.
type machine struct {
	runtime *Runtime
	name    string
}

var (
	_ lab.Machine = machine{}
	_ lab.Placed  = (*node)(nil)
)

func (m machine) Name() string { return m.name }

func (m machine) get(ctx context.Context) (*core.Node, error) {
	n, err := m.runtime.api.nodes().Get(ctx, m.name, meta.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", m.name, err)
	}
	return n, nil
}

func (m machine) Cordoned(ctx context.Context) (bool, error) {
	n, err := m.get(ctx)
	return err == nil && n.Spec.Unschedulable, err
}

func (m machine) Cordon(ctx context.Context) error {
	n, err := m.get(ctx)
	if err != nil {
		return err
	}
	if n.Spec.Unschedulable {
		return fmt.Errorf("machine %s is cordoned already", m.name)
	}
	return m.runtime.setCordon(ctx, n, m.runtime.config.RunID)
}

func (m machine) Uncordon(ctx context.Context) error {
	n, err := m.get(ctx)
	if err != nil || n.Annotations[annotationCordoned] != m.runtime.config.RunID {
		return err
	}
	return m.runtime.setCordon(ctx, n, "")
}

// setCordon cordons a machine for a run, or uncordons it if there is none.
func (r *Runtime) setCordon(ctx context.Context, n *core.Node, by string) error {
	var note any // null removes it
	if by != "" {
		note = by
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationCordoned: note}},
		"spec":     map[string]any{"unschedulable": by != ""},
	})
	if err != nil {
		return err
	}
	if _, err := r.api.nodes().Patch(ctx, n.Name, types.MergePatchType, patch, meta.PatchOptions{}); err != nil {
		return fmt.Errorf("cordon or uncordon %s: %w", n.Name, err)
	}
	return nil
}

// uncordon takes back the cordons of runs, and returns the names of the machines.
func (r *Runtime) uncordon(ctx context.Context, of func(runID string) bool) ([]string, error) {
	list, err := r.api.nodes().List(ctx, listAll)
	if err != nil {
		return nil, fmt.Errorf("list the machines of the cluster: %w", err)
	}
	var names []string
	var errs []error
	for i := range list.Items {
		if by := list.Items[i].Annotations[annotationCordoned]; by != "" && of(by) {
			names = append(names, list.Items[i].Name)
			errs = append(errs, r.setCordon(ctx, &list.Items[i], ""))
		}
	}
	return names, errors.Join(errs...)
}

// Machine is where the node's pod was placed.
func (n *node) Machine() lab.Machine {
	if name := n.host(); name != "" {
		return machine{n.runtime, name}
	}
	return nil
}

// evictAgain is how long an eviction that a disruption budget forbids is not asked for again.
const evictAgain = time.Second

func (n *node) Evict(ctx context.Context, grace time.Duration) error {
	n.remember(ctx)
	defer n.unlink()
	seconds := int64(max(grace, time.Second).Round(time.Second) / time.Second)
	eviction := &policy.Eviction{
		ObjectMeta:    meta.ObjectMeta{Name: n.name, Namespace: n.runtime.space},
		DeleteOptions: &meta.DeleteOptions{GracePeriodSeconds: &seconds},
	}
	a := n.runtime.api
	var refused error
	err := poll(ctx, evictAgain, func(ctx context.Context) (bool, error) {
		err := a.core.Post().Namespace(n.runtime.space).Resource("pods").Name(n.name).SubResource("eviction").Body(eviction).Do(ctx).Error()
		if apierrors.IsTooManyRequests(err) {
			refused = err
			return false, nil
		}
		return err == nil || apierrors.IsNotFound(err), gone(err)
	})
	if err == nil {
		refused = nil
		err = n.runtime.awaitGone(ctx, n.name)
	}
	if err != nil {
		return fmt.Errorf("evict %s: %w", n.name, errors.Join(err, refused))
	}
	return nil
}
