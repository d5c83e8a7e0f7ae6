// Package kubernetes makes a lab's nodes as pods of an existing cluster, in a namespace of their own.
//
// It is the only package that knows client-go. Of that it uses the REST client with the types of the few kinds that a lab consists of,
// without the clientset (docs/adr/0019-nodes-as-pods.md).
package kubernetes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
)

// Name is the runtime's, as in --runtime.
const Name = "kubernetes"

// Config says which cluster, and where it has its images from.
type Config struct {
	// Context is the name of a context of the kubeconfig. A cluster that is not on this machine must be named.
	Context string
	// Registry is where images are pushed to and where the cluster pulls them from: host[:port][/path]. Without it they are loaded into
	// the nodes' stores, which the cluster of make kube-up has on this machine.
	Registry string
}

// Driver makes runtimes of pods.
func Driver(to Config) lab.Driver {
	return lab.Driver{
		Name:        Name,
		Description: "pods of a Kubernetes cluster",
		Machines:    true,
		Remedy:      "start one on this machine with `make kube-up`, or name a context of your kubeconfig: --context NAME",
		Available: func(context.Context) error {
			_, err := locate(to)
			return err
		},
		New: func(ctx context.Context, c lab.RuntimeConfig) (lab.Runtime, error) { return New(ctx, to, c) },
	}
}

// Runtime is a lab.Runtime on a cluster.
type Runtime struct {
	config  lab.RuntimeConfig
	to      Config
	cluster cluster
	api     *api
	space   string // the namespace

	imaging sync.Mutex // held while images come; guards engine
	engine  *docker.Runtime

	mu      sync.Mutex // guards what follows
	made    bool       // the namespace is there
	images  map[string]image
	nodes   map[string]*node
	ports   map[string]int // "node:port" -> port on loopback, kept when a node is replaced
	placing placing
	closed  bool

	alive context.CancelFunc // ends the sign of life
	live  sync.WaitGroup
}

var _ lab.Runtime = (*Runtime)(nil)

// New connects to the cluster and asks for its version.
func New(ctx context.Context, to Config, c lab.RuntimeConfig) (*Runtime, error) {
	if c.Keep {
		return nil, errors.New("a lab of pods cannot be kept: its ports are forwarded by the process that started it; use RUNTIME=docker or host")
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	if c.RunID == "" {
		c.RunID = newRunID()
	}
	found, err := locate(to)
	if err != nil {
		return nil, err
	}
	client, err := newAPI(found.config)
	if err != nil {
		return nil, err
	}
	if _, err := client.version(ctx); err != nil {
		return nil, fmt.Errorf("context %s: the cluster at %s does not answer: %w", found.context, found.config.Host, err)
	}
	return &Runtime{
		config: c, to: to, cluster: found, api: client, space: "gatelab-" + strings.ToLower(c.RunID),
		images: map[string]image{}, nodes: map[string]*node{}, ports: map[string]int{}, placing: placing{spread: c.Spread},
	}, nil
}

// Layout is the zero Layout: a Service gives each node its name and an address that stays.
func (r *Runtime) Layout() lab.Layout { return lab.Layout{} }

// Info is the cluster, its nodes and the images in use.
func (r *Runtime) Info(ctx context.Context) map[string]string {
	info := map[string]string{"runtime": Name, "context": r.cluster.context, "namespace": r.space, "images_from": r.source()}
	if version, err := r.api.version(ctx); err == nil {
		info["kubernetes"] = version
	}
	if list, err := r.api.nodes().List(ctx, listAll); err == nil {
		info["cluster_nodes"] = strconv.Itoa(len(list.Items))
		for _, n := range list.Items {
			info["node_"+n.Name] = n.Status.NodeInfo.KubeletVersion + ", " + n.Status.NodeInfo.ContainerRuntimeVersion + ", " +
				n.Status.Capacity.Cpu().String() + " cores"
		}
	}
	r.mu.Lock()
	images, nodes := maps.Clone(r.images), maps.Clone(r.nodes)
	r.mu.Unlock()
	for program, img := range images {
		info["image_"+program] = img.About
	}
	for name, n := range nodes {
		if on := n.host(); on != "" {
			info["placed_"+name] = on
		}
	}
	return info
}

func (r *Runtime) source() string {
	if r.to.Registry != "" {
		return "the registry " + r.to.Registry
	}
	return "this machine"
}

// Attach finds nothing: no lab of pods outlives its process on purpose.
func (r *Runtime) Attach(context.Context) ([]lab.Node, error) { return nil, lab.ErrNotUp }

// Down has nothing to remove, for the same reason.
func (r *Runtime) Down(context.Context) ([]string, error) { return nil, nil }

// Remove ends a node at once and removes what belongs to it.
func (r *Runtime) Remove(ctx context.Context, n lab.Node) error {
	r.mu.Lock()
	own, ok := r.nodes[n.Name()]
	if ok && lab.Node(own) == n {
		delete(r.nodes, n.Name())
	}
	r.mu.Unlock()
	if !ok || lab.Node(own) != n {
		return nil // removed before
	}
	own.unpublish()
	return r.erase(ctx, own.name)
}

// erase removes a node's objects. That one is not there is no error.
func (r *Runtime) erase(ctx context.Context, name string) error {
	errs := []error{r.deletePod(ctx, name, 0)}
	errs = append(errs,
		gone(r.api.services(r.space).Delete(ctx, name, now)),
		gone(r.api.secrets(r.space).Delete(ctx, name, now)),
		gone(r.api.policies(r.space).Delete(ctx, cutOffName(name), now)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// Close removes the namespace with all that is in it, and waits until it is gone.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	nodes, made := r.nodes, r.made
	r.nodes, r.made = map[string]*node{}, false
	r.closed = true
	r.mu.Unlock()
	for _, n := range nodes {
		n.unpublish()
	}
	if r.alive != nil {
		r.alive()
	}
	r.live.Wait()
	if !made {
		return nil
	}
	// A fault that was cut short has left its machine cordoned. Without the namespace no later run would know whose that was.
	_, err := r.uncordon(ctx, func(runID string) bool { return runID == r.config.RunID })
	return errors.Join(err, r.removeSpace(ctx, r.space))
}

func (r *Runtime) progress(format string, args ...any) {
	r.config.Progress(strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func newRunID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// poll calls done until it says so, fails, or the context is over.
func poll(ctx context.Context, every time.Duration, done func(context.Context) (bool, error)) error {
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(every):
		}
	}
}
