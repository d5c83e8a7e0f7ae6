package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// node is one pod, or the place of one.
type node struct {
	runtime    *Runtime
	name, role string
	pod        *core.Pod          // as it is made, and made again
	ports      map[int]*forwarder // inside -> on loopback
	meter      lab.Meter

	mu     sync.Mutex
	placed place  // of the pod that runs
	log    string // the end of the last pod's, which went with it
}

// place is where a pod runs.
type place struct {
	host, uid, container, qos string
}

func placeOf(p *core.Pod) place {
	at := place{host: p.Spec.NodeName, uid: string(p.UID), qos: strings.ToLower(string(p.Status.QOSClass))}
	if len(p.Status.ContainerStatuses) > 0 {
		_, at.container, _ = strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	}
	return at
}

var _ lab.Node = (*node)(nil)

func (n *node) Name() string { return n.name }
func (n *node) Role() string { return n.role }

func (n *node) Addr(port int) string { return net.JoinHostPort(n.name, strconv.Itoa(port)) }

func (n *node) HostAddr(port int) string {
	f, ok := n.ports[port]
	if !ok {
		return ""
	}
	return f.addr
}

func (n *node) host() string { return n.place().host }

func (n *node) place() place {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.placed
}

func (n *node) get(ctx context.Context) (*core.Pod, error) {
	return n.runtime.api.pods(n.runtime.space).Get(ctx, n.name, meta.GetOptions{})
}

// Stop removes the pod, which has that long to end, in whole seconds.
func (n *node) Stop(ctx context.Context, grace time.Duration) error {
	n.remember(ctx)
	defer n.unlink()
	if err := n.runtime.deletePod(ctx, n.name, max(grace, time.Second)); err != nil {
		return fmt.Errorf("stop %s: %w", n.name, err)
	}
	return nil
}

// Kill ends the node's processes by SIGKILL where they are on this machine, and then removes the pod. Elsewhere the pod is removed without
// grace, and the kubelet gives it a second or two.
func (n *node) Kill(ctx context.Context) error {
	n.remember(ctx)
	defer n.unlink()
	err := n.killProcesses()
	if err = errors.Join(err, n.runtime.deletePod(ctx, n.name, 0)); err != nil {
		return fmt.Errorf("kill %s: %w", n.name, err)
	}
	return nil
}

// remember keeps what goes with the pod: its log, and what it has used.
func (n *node) remember(ctx context.Context) {
	if text, err := n.Logs(ctx); err == nil && text != "" {
		n.mu.Lock()
		n.log = text
		n.mu.Unlock()
	}
	_, _ = n.Usage(ctx) // the meter keeps it
}

// errNoPause is what there is in place of a frozen pod.
var errNoPause = errors.New("pods cannot be frozen through the API: use docker or host for faults that pause a node")

func (n *node) Pause(context.Context) error  { return fmt.Errorf("pause %s: %w", n.name, errNoPause) }
func (n *node) Resume(context.Context) error { return fmt.Errorf("resume %s: %w", n.name, errNoPause) }

// CutOff isolates the pod by a NetworkPolicy that allows nothing. It has an effect where the cluster's network enforces policies.
func (n *node) CutOff(ctx context.Context) error {
	r := n.runtime
	_, err := r.api.policies(r.space).Create(ctx, &networking.NetworkPolicy{
		ObjectMeta: meta.ObjectMeta{Name: cutOffName(n.name), Labels: r.labels(n.name, n.role)},
		Spec: networking.NetworkPolicySpec{
			PodSelector: meta.LabelSelector{MatchLabels: map[string]string{labelNode: n.name}},
			PolicyTypes: []networking.PolicyType{networking.PolicyTypeIngress, networking.PolicyTypeEgress},
		},
	}, meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("cut off %s: %w", n.name, err)
	}
	return nil
}

func (n *node) Reconnect(ctx context.Context) error {
	r := n.runtime
	if err := gone(r.api.policies(r.space).Delete(ctx, cutOffName(n.name), now)); err != nil {
		return fmt.Errorf("reconnect %s: %w", n.name, err)
	}
	return nil
}

func (n *node) Running(ctx context.Context) (bool, error) {
	s, err := n.State(ctx)
	return s.Running, err
}

// State is that of the pod; a node without one does not run.
func (n *node) State(ctx context.Context) (lab.State, error) {
	p, err := n.get(ctx)
	if apierrors.IsNotFound(err) {
		return lab.State{ExitCode: 137}, nil // it was removed
	}
	if err != nil {
		return lab.State{}, fmt.Errorf("state of %s: %w", n.name, err)
	}
	_, err = n.runtime.api.policies(n.runtime.space).Get(ctx, cutOffName(n.name), meta.GetOptions{})
	if gone(err) != nil {
		return lab.State{}, fmt.Errorf("state of %s: %w", n.name, err)
	}
	s := lab.State{Running: p.Status.Phase == core.PodRunning && p.DeletionTimestamp == nil, Connected: err != nil}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Terminated != nil {
			s.Running, s.ExitCode = false, int(c.State.Terminated.ExitCode)
		}
	}
	return s, nil
}

// Logs is what the API has of the pod, or what was kept of the last one.
func (n *node) Logs(ctx context.Context) (string, error) {
	lines, most := int64(200), int64(4<<20)
	body, err := n.runtime.api.core.Get().Namespace(n.runtime.space).Resource("pods").Name(n.name).SubResource("log").
		VersionedParams(&core.PodLogOptions{TailLines: &lines, LimitBytes: &most}, n.runtime.api.params).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.log, nil
	}
	if err != nil {
		return "", fmt.Errorf("read the logs of %s: %w", n.name, err)
	}
	return strings.TrimRight(string(body), "\n"), nil
}
