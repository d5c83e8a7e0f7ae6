package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatelab/gatelab/harness/internal/lab/docker"
)

const (
	// labelLab is on all that a lab consists of; its value is the run's id.
	labelLab  = "gatelab.dev/lab"
	labelNode = "gatelab.dev/node"
	labelRole = "gatelab.dev/role"
	// annotationAlive is when the process that made a lab was last seen alive, by its own clock.
	annotationAlive = "gatelab.dev/alive"
)

const (
	aliveEvery = 20 * time.Second
	// deadAfter is when a lab of a process that cannot be asked for is taken for abandoned. It is long enough for clocks that differ.
	deadAfter = 10 * time.Minute
	// lastsAtMost ends every pod, so that a lab that nothing sweeps does not run on for ever.
	lastsAtMost = 12 * time.Hour
	accountIn   = 30 * time.Second
)

// ensureSpace makes the lab's namespace, and waits until it has the account without which no pod is made.
func (r *Runtime) ensureSpace(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("the lab is closed")
	}
	if r.made {
		return nil
	}
	owner, err := docker.OwnerLabels()
	if err != nil {
		return err
	}
	notes := maps.Clone(owner)
	notes[annotationAlive] = time.Now().UTC().Format(time.RFC3339)
	_, err = r.api.spaces().Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{
		Name: r.space, Labels: map[string]string{labelLab: r.config.RunID}, Annotations: notes,
	}}, meta.CreateOptions{})
	if err != nil {
		return fmt.Errorf("make the namespace %s: %w", r.space, err)
	}
	r.made = true
	waiting, cancel := context.WithTimeout(ctx, accountIn)
	defer cancel()
	err = poll(waiting, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		_, err := r.api.accounts(r.space).Get(ctx, "default", meta.GetOptions{})
		return err == nil, gone(err)
	})
	if err != nil {
		return fmt.Errorf("namespace %s has no account \"default\" after %s: %w", r.space, accountIn, err)
	}
	r.stayAlive(ctx)
	return nil
}

// stayAlive notes on the namespace that this process lives, until Close.
func (r *Runtime) stayAlive(ctx context.Context) {
	ctx, r.alive = context.WithCancel(context.WithoutCancel(ctx))
	r.live.Go(func() {
		for tick := time.NewTicker(aliveEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case at := <-tick.C:
				patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
					"annotations": map[string]string{annotationAlive: at.UTC().Format(time.RFC3339)}}})
				if err != nil {
					continue
				}
				// A sign that is missed is no reason to stop: the next one comes long before anyone looks.
				_, _ = r.api.spaces().Patch(ctx, r.space, types.MergePatchType, patch, meta.PatchOptions{})
			}
		}
	})
}

// Sweep removes the namespaces of runs whose process is dead.
func (r *Runtime) Sweep(ctx context.Context) ([]string, error) {
	list, err := r.api.spaces().List(ctx, meta.ListOptions{LabelSelector: labelLab})
	if err != nil {
		return nil, fmt.Errorf("sweep: list namespaces: %w", err)
	}
	var removed []string
	var errs []error
	alive := map[string]bool{r.config.RunID: true} // runs
	for _, space := range list.Items {
		if space.Name == r.space || !abandoned(space.Annotations, time.Now()) {
			alive[space.Labels[labelLab]] = true
			continue
		}
		removed = append(removed, "namespace "+space.Name)
		errs = append(errs, r.removeSpace(ctx, space.Name))
	}
	machines, err := r.uncordon(ctx, func(runID string) bool { return !alive[runID] })
	for _, name := range machines {
		removed = append(removed, "cordon of machine "+name)
	}
	return removed, errors.Join(append(errs, err)...)
}

// abandoned says whether the process that made a namespace is gone: it was one of this machine, or it has given no sign of life for long.
// Without a sign nothing is known.
func abandoned(notes map[string]string, at time.Time) bool {
	if docker.Orphaned(notes) {
		return true
	}
	last, err := time.Parse(time.RFC3339, notes[annotationAlive])
	return err == nil && at.Sub(last) > deadAfter
}

// removeSpace removes a namespace, its pods first: they get no time to end, which the namespace's own removal would give them.
func (r *Runtime) removeSpace(ctx context.Context, space string) error {
	_ = r.api.pods(space).DeleteCollection(ctx, now, meta.ListOptions{LabelSelector: labelLab}) // else the namespace takes them
	if err := gone(r.api.spaces().Delete(ctx, space, meta.DeleteOptions{})); err != nil {
		return fmt.Errorf("remove the namespace %s: %w", space, err)
	}
	err := poll(ctx, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		_, err := r.api.spaces().Get(ctx, space, meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("the namespace %s is not removed: %w", space, err)
	}
	return nil
}

// labels are what a node's objects carry.
func (r *Runtime) labels(name, role string) map[string]string {
	return map[string]string{labelLab: r.config.RunID, labelNode: name, labelRole: role, "app.kubernetes.io/managed-by": "gatelab"}
}

// deletePod removes a node's pod and waits until the API has none of that name. That there is none is no error.
func (r *Runtime) deletePod(ctx context.Context, name string, grace time.Duration) error {
	seconds := int64((grace + time.Second - 1) / time.Second)
	if err := gone(r.api.pods(r.space).Delete(ctx, name, meta.DeleteOptions{GracePeriodSeconds: &seconds})); err != nil {
		return err
	}
	return r.awaitGone(ctx, name)
}

// awaitGone waits until the API has no pod of a node's name.
func (r *Runtime) awaitGone(ctx context.Context, name string) error {
	return poll(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		_, err := r.api.pods(r.space).Get(ctx, name, meta.GetOptions{})
		return apierrors.IsNotFound(err), gone(err)
	})
}

func cutOffName(node string) string { return strings.ToLower(node) + "-cut-off" }
