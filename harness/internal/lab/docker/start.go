package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Start makes and starts a node's container.
func (r *Runtime) Start(ctx context.Context, s lab.Spec) (lab.Node, error) {
	img, err := r.image(ctx, s)
	if err != nil {
		return nil, err
	}
	if undeclared := otherPorts(s, img); undeclared != "" {
		r.progress("%s", undeclared)
	}
	n, err := r.reserve(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := r.run(ctx, n, s, img); err != nil {
		r.mu.Lock()
		delete(r.nodes, s.Name)
		r.mu.Unlock()
		if n.id != "" {
			_ = r.removeContainer(context.WithoutCancel(ctx), n.id)
		}
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return n, nil
}

// otherPorts says that a user's image names other ports than the one that was given. It may listen there all the same.
func otherPorts(s lab.Spec, img image) string {
	if !s.Source.EntryPoint || img.exposed == "" {
		return ""
	}
	for _, port := range s.Ports {
		if !slices.Contains(strings.Fields(img.exposed), strconv.Itoa(port)+"/tcp") {
			return fmt.Sprintf("%s: %s exposes %s, and port %d was given", s.Name, img.ref, img.exposed, port)
		}
	}
	return ""
}

// reserve gives the node its name, address and ports.
func (r *Runtime) reserve(ctx context.Context, s lab.Spec) (*node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.New("the lab is closed")
	}
	if r.nodes[s.Name] != nil {
		return nil, fmt.Errorf("start %s: there is a node of that name", s.Name)
	}
	nw, err := r.ensureNetwork(ctx)
	if err != nil {
		return nil, err
	}
	addr, err := r.address(nw, s.Name)
	if err != nil {
		return nil, err
	}
	ports, err := r.publish(s)
	if err != nil {
		return nil, err
	}
	n := &node{runtime: r, name: s.Name, role: s.Role, network: nw, address: addr, ports: ports, cpus: s.CPUs, memory: s.Memory}
	r.nodes[s.Name] = n
	return n, nil
}

// allowance is what the engine lets containers have of their own; what it refuses
// once is not asked for again.
type allowance struct {
	sysctls bool
	files   int64 // descriptors per process; 0 leaves the engine's limit
}

// newAllowance asks for no more descriptors than this process could have: an
// engine that is itself limited cannot give containers more, and often both
// were started under the same limit.
func newAllowance() allowance {
	t := allowance{sysctls: true, files: 65536}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Max < uint64(t.files) {
		t.files = int64(limit.Max)
	}
	return t
}

// without returns the allowance without what an engine's error complains of.
func (t allowance) without(err error) (allowance, bool) {
	switch text := err.Error(); {
	case t.sysctls && strings.Contains(text, "sysctl"):
		t.sysctls = false
	case t.files != 0 && strings.Contains(text, "rlimit"):
		t.files = 0
	default:
		return t, false
	}
	return t, true
}

// run creates and starts the container, with a smaller allowance where the engine
// refuses it.
func (r *Runtime) run(ctx context.Context, n *node, s lab.Spec, img image) error {
	r.mu.Lock()
	tune := r.allowance
	r.mu.Unlock()
	for {
		err := r.runOnce(ctx, n, r.request(n, s, img, tune))
		if err == nil {
			return nil
		}
		less, again := tune.without(err)
		if !again {
			return explainImage(img, explainPort(n, err))
		}
		r.progress("the engine refuses a setting; continuing without it: %v", err)
		tune = less
		r.mu.Lock()
		r.allowance = less
		r.mu.Unlock()
		if err := r.removeContainer(ctx, n.id); err != nil {
			return err
		}
	}
}

// runOnce lets the engine finish what it has begun: it continues to make a container
// also when the request is cancelled, and that container would be left behind.
func (r *Runtime) runOnce(ctx context.Context, n *node, req testcontainers.ContainerRequest) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	working, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	c, err := r.provider.CreateContainer(working, req)
	if c != nil {
		n.id = c.GetContainerID()
	}
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.Start(working)
}

// explainImage says what the engine means by an image without a command.
func explainImage(img image, err error) error {
	if !strings.Contains(strings.ToLower(err.Error()), "no command specified") {
		return err
	}
	return fmt.Errorf("%s has neither ENTRYPOINT nor CMD: name the program to start in its Dockerfile: %w", img.ref, err)
}

// explainPort turns the engine's words for a port taken between our probe and
// its start into ours.
func explainPort(n *node, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if !strings.Contains(text, "port is already allocated") && !strings.Contains(text, "address already in use") {
		return err
	}
	for port, host := range n.ports {
		if strings.Contains(text, ":"+strconv.Itoa(host)) {
			return portError(n.name, port, host, syscall.EADDRINUSE)
		}
	}
	return err
}

// request is the container as testcontainers wants it.
func (r *Runtime) request(n *node, s lab.Spec, img image, tune allowance) testcontainers.ContainerRequest {
	l := launchOf(s, img)
	req := testcontainers.ContainerRequest{
		Image:          img.ref,
		Name:           "gatelab-" + r.config.RunID + "-" + s.Name,
		Entrypoint:     l.entrypoint,
		Cmd:            l.cmd,
		Env:            mergeEnv(l.env, s.Env),
		Labels:         r.labels(s.Name),
		Networks:       []string{n.network.name},
		NetworkAliases: map[string][]string{n.network.name: {s.Name}},
		ConfigModifier: func(c *container.Config) {
			c.Hostname = s.Name
			c.User = l.user
			c.StopSignal = l.stopSignal
		},
		HostConfigModifier: func(h *container.HostConfig) {
			hostConfig(h, n, s, l.owner, tune)
			h.Mounts = append(h.Mounts, l.mounts...)
		},
		EndpointSettingsModifier: func(e map[string]*network.EndpointSettings) {
			e[n.network.name] = n.endpoint()
		},
	}
	for _, port := range s.Ports {
		req.ExposedPorts = append(req.ExposedPorts, strconv.Itoa(port)+"/tcp")
	}
	for _, path := range slices.Sorted(maps.Keys(s.Files)) {
		req.Files = append(req.Files, testcontainers.ContainerFile{
			Reader: strings.NewReader(string(s.Files[path])), ContainerFilePath: path, FileMode: 0o644,
		})
	}
	return req
}

// cpuPeriod is the window of the CPU limit in microseconds. The engine's 100 ms
// would let a node with several threads use up its share at once and then
// stand still for tens of milliseconds, which no one could tell from slowness
// of its own; with 10 ms it stands still for a few at most.
const cpuPeriod = 10_000

// hostConfig sets limits, ports and kernel settings.
func hostConfig(h *container.HostConfig, n *node, s lab.Spec, owner string, tune allowance) {
	h.NetworkMode = container.NetworkMode(n.network.name)
	h.PortBindings = network.PortMap{}
	for port, host := range n.ports {
		h.PortBindings[network.MustParsePort(strconv.Itoa(port)+"/tcp")] = []network.PortBinding{{
			HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(host),
		}}
	}
	h.CPUShares = s.CPUWeight
	if s.CPUs > 0 {
		h.CPUPeriod = cpuPeriod
		h.CPUQuota = max(1000, int64(s.CPUs*cpuPeriod)) // 1 ms is the kernel's least
	}
	if len(s.Cores) > 0 {
		h.CpusetCpus = strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Cores), " ", ","), "[]")
	}
	if s.Memory > 0 {
		h.Memory = s.Memory
		h.MemorySwap = s.Memory // none beyond: swapping would be measured as slowness
	}
	h.ShmSize = 256 << 20 // Postgres' parallel workers
	if tune.files != 0 {
		h.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: tune.files, Hard: tune.files}}
	}
	// A node that writes a line per request must not fill the disk.
	h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "4m", "max-file": "1"}}
	for _, dir := range s.Scratch {
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[dir] = "rw,mode=1777"
		if owner != "" {
			h.Tmpfs[dir] += ",uid=" + owner
		}
		if s.ScratchMB > 0 {
			h.Tmpfs[dir] += fmt.Sprintf(",size=%dm", s.ScratchMB)
		}
	}
	if tune.sysctls {
		h.Sysctls = map[string]string{
			"net.core.somaxconn":           "4096",       // 400 connections at once must not overflow a listen queue
			"net.ipv4.ip_local_port_range": "1024 65535", // without keep-alive every request takes a port for a minute
			// bbr, where a machine has it by default, paces every packet with a
			// timer: good on long ways, CPU for nothing on a bridge.
			"net.ipv4.tcp_congestion_control": "reno",
		}
	}
}

// launch is how a program is started in an image of some layout.
type launch struct {
	entrypoint, cmd []string
	env             map[string]string
	user            string
	owner           string // of directories kept in memory; empty: root
	stopSignal      string // that ends it promptly and cleanly
	mounts          []mount.Mount
}

func launchOf(s lab.Spec, img image) launch {
	switch s.Program {
	case lab.ProgramPostgres:
		if img.layout == layoutDebian {
			return launch{
				entrypoint: []string{postgresBin + "postgres"},
				cmd:        append([]string{"-D", postgresData}, s.Args...),
				user:       postgresUID, owner: postgresUID, stopSignal: "SIGINT",
				// The engine fills the volume from the image and removes it with the
				// container. A database must not lie on a layered file system, least
				// of all on one in user space.
				mounts: []mount.Mount{{Type: mount.TypeVolume, Target: postgresData}},
			}
		}
		return launch{
			cmd: append([]string{"postgres"}, s.Args...),
			env: map[string]string{
				"POSTGRES_USER": lab.PostgresUser, "POSTGRES_PASSWORD": lab.PostgresPassword,
				"POSTGRES_DB": lab.PostgresDatabase, "POSTGRES_INITDB_ARGS": "--no-sync",
			},
			owner:      "70", // of the Alpine image
			stopSignal: "SIGINT",
		}
	case lab.ProgramRedis:
		if img.layout == layoutDebian {
			return launch{entrypoint: []string{"/usr/bin/redis-server"}, cmd: s.Args, user: redisUID}
		}
		return launch{cmd: append([]string{"redis-server"}, s.Args...)}
	case lab.ProgramNginx:
		return launch{
			entrypoint: []string{"/usr/sbin/nginx"},
			cmd:        append([]string{"-g", "daemon off;"}, s.Args...),
			stopSignal: "SIGQUIT",
		}
	case lab.ProgramNode:
		if img.layout == layoutDebian {
			return launch{entrypoint: []string{"/usr/bin/node"}, cmd: s.Args, user: nobodyUID}
		}
		return launch{entrypoint: []string{"/usr/local/bin/node"}, cmd: s.Args, user: nobodyUID}
	case lab.ProgramPrometheus:
		if img.layout == layoutDebian {
			return launch{entrypoint: []string{"/usr/bin/prometheus"}, cmd: s.Args, user: nobodyUID}
		}
		return launch{entrypoint: []string{"/bin/prometheus"}, cmd: s.Args, user: nobodyUID}
	case lab.ProgramAlertmanager:
		if img.layout == layoutDebian {
			return launch{entrypoint: []string{"/usr/bin/prometheus-alertmanager"}, cmd: s.Args, user: nobodyUID}
		}
		return launch{entrypoint: []string{"/bin/alertmanager"}, cmd: s.Args, user: nobodyUID}
	case lab.ProgramGrafana:
		return launch{cmd: s.Args} // the image's own entry point
	default:
		if s.Source.EntryPoint {
			return launch{cmd: s.Args}
		}
		if img.program != "" {
			return launch{entrypoint: []string{img.program}, cmd: s.Args, user: nobodyUID, owner: nobodyUID}
		}
		name, _, _ := strings.Cut(s.Program, "@")
		return launch{entrypoint: []string{"/" + name}, cmd: s.Args}
	}
}

func mergeEnv(a, b map[string]string) map[string]string {
	env := map[string]string{}
	maps.Copy(env, a)
	maps.Copy(env, b)
	return env
}
