// Package docker makes a lab's nodes as containers on a network of their own.
//
// It is the only package that knows testcontainers and the engine's client.
// Containers are made, given their files and started through testcontainers;
// what that lacks (pause, cut-off, statistics, image import) goes through the
// engine's client.
package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// ErrNoEngine says that no Docker engine answers.
var ErrNoEngine error = engineError{}

// engineError is ErrNoEngine, which is one case of lab.ErrUnavailable.
type engineError struct{}

func (engineError) Error() string        { return "no Docker engine answers" }
func (engineError) Is(target error) bool { return target == lab.ErrUnavailable }

// Config is what a Runtime needs.
type Config = lab.RuntimeConfig

// Name is the runtime's, as in --runtime.
const Name = "docker"

// Driver makes runtimes of containers.
func Driver() lab.Driver {
	return lab.Driver{
		Name:        Name,
		Description: "containers of a Docker engine",
		Remedy:      "start Docker, set DOCKER_HOST to where it answers (`make doctor` tells more), or run without it: RUNTIME=host",
		Available: func(ctx context.Context) error {
			_, err := connect(ctx)
			return err
		},
		New: func(ctx context.Context, c lab.RuntimeConfig) (lab.Runtime, error) { return New(ctx, c) },
	}
}

// Runtime is a lab.Runtime on a Docker engine of this machine.
type Runtime struct {
	config   Config
	provider *testcontainers.DockerProvider
	api      client.APIClient
	owner    owner
	only     string // the run that Attach and Down are about; empty: all

	mu        sync.Mutex
	network   *labNetwork
	images    map[string]image // by program
	lacks     map[string]bool  // programs of optional nodes without an image
	nodes     map[string]*node
	addresses map[string]netip.Addr // by node name, kept when a node is replaced
	ports     map[string]int        // "node:port" -> port on loopback, kept likewise
	allowance allowance
	used      bool // something was made that Close must remove
	closed    bool
}

var (
	_ lab.Runtime = (*Runtime)(nil)
	_ lab.Lacker  = (*Runtime)(nil)
)

// New connects to the engine that testcontainers finds (DOCKER_HOST, then the
// usual sockets). The error is ErrNoEngine when none answers. The engine must
// be on this machine, because ports are published on loopback only.
//
// It sets TESTCONTAINERS_RYUK_DISABLED and TESTCONTAINERS_HOST_OVERRIDE for
// this process: Ryuk's image can often not be had, and Sweep does its work;
// and where /.dockerenv exists on the host itself, testcontainers would
// take the default gateway, a foreign address, for the engine's host.
func New(ctx context.Context, c Config) (*Runtime, error) {
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	provider, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	only := c.RunID
	if c.RunID == "" {
		c.RunID = newRunID()
	}
	own, err := currentOwner()
	if err != nil {
		return nil, fmt.Errorf("identify this process: %w", err)
	}
	return &Runtime{
		config: c, provider: provider, api: provider.Client(), owner: own, only: only,
		images: map[string]image{}, lacks: map[string]bool{}, nodes: map[string]*node{},
		addresses: map[string]netip.Addr{}, ports: map[string]int{}, allowance: newAllowance(),
	}, nil
}

// connect finds the engine and checks that it answers and is local.
func connect(ctx context.Context) (*testcontainers.DockerProvider, error) {
	tclog.SetDefault(tclog.NewNoopLogger())
	for name, value := range map[string]string{
		"TESTCONTAINERS_RYUK_DISABLED": "true",
		"TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	provider, err := testcontainers.NewDockerProvider(
		testcontainers.Generic2DockerOptions(testcontainers.WithLogger(tclog.NewNoopLogger()))...)
	if err != nil {
		// testcontainers lists every place that it tried, one per line; what
		// the user chose is what the user can repair.
		if want := os.Getenv("DOCKER_HOST"); want != "" {
			return nil, fmt.Errorf("%w at DOCKER_HOST=%s: it is no address such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375",
				ErrNoEngine, want)
		}
		return nil, fmt.Errorf("%w: %s", ErrNoEngine, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	api := provider.Client()
	if _, err := api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrNoEngine, api.DaemonHost(), err)
	}
	if want := os.Getenv("DOCKER_HOST"); want != "" && want != api.DaemonHost() {
		// testcontainers tries other sockets next, which may be another engine's.
		return nil, fmt.Errorf("%w at DOCKER_HOST=%s", ErrNoEngine, want)
	}
	if !localEngine(api.DaemonHost()) {
		return nil, fmt.Errorf("docker engine %s is not on this machine: the lab publishes its ports on loopback only; unset DOCKER_HOST",
			api.DaemonHost())
	}
	return provider, nil
}

// localEngine says whether an engine's address is on this machine.
func localEngine(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	if u.Scheme == "unix" || u.Scheme == "npipe" {
		return true
	}
	name := u.Hostname()
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

// Layout is the zero Layout: nodes have addresses and names of their own.
func (r *Runtime) Layout() lab.Layout { return lab.Layout{} }

// RunID is the label and the name part of everything this runtime makes.
func (r *Runtime) RunID() string { return r.config.RunID }

// Info is the engine, its storage and the images in use.
func (r *Runtime) Info(ctx context.Context) map[string]string {
	info := map[string]string{"runtime": "docker"}
	if res, err := r.api.Info(ctx, client.InfoOptions{}); err == nil {
		info["engine"] = res.Info.ServerVersion
		info["storage_driver"] = res.Info.Driver
		info["cgroup_version"] = res.Info.CgroupVersion
		info["engine_os"] = res.Info.OperatingSystem
	}
	info["api"] = r.api.ClientVersion()
	r.mu.Lock()
	images := maps.Clone(r.images)
	r.mu.Unlock()
	for program, img := range images {
		info["image_"+program] = img.describe()
	}
	return info
}

// Remove ends a node at once and removes its container.
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
	if err := r.removeContainer(ctx, own.id); err != nil {
		return fmt.Errorf("remove %s: %w", n.Name(), err)
	}
	return nil
}

// Close removes every container and network of this run, by label, so that
// containers that were made but never became a node go too.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	used := r.used
	r.closed = true
	r.nodes = map[string]*node{}
	r.network = nil
	r.mu.Unlock()
	if !used {
		return nil // a lab of this name may be another process's, which was attached to
	}
	_, err := r.removeLabelled(ctx, func(labels map[string]string) bool {
		return labels[labelLab] == r.config.RunID
	})
	if err != nil {
		return fmt.Errorf("remove the lab %s: %w", r.config.RunID, err)
	}
	return nil
}

func (r *Runtime) progress(format string, args ...any) {
	r.config.Progress(strings.TrimSpace(fmt.Sprintf(format, args...)))
}
