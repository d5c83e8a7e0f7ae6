package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/deploy"
	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
	"github.com/gatelab/gatelab/harness/internal/lab/host"
	"github.com/gatelab/gatelab/harness/internal/lab/kubernetes"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Names of runtimes.
const (
	RuntimeDocker     = docker.Name     // containers
	RuntimeHost       = host.Name       // processes of this machine
	RuntimeKubernetes = kubernetes.Name // pods of a cluster
)

// Runtimes are the runtimes that can carry a lab, in order of preference.
func Runtimes() lab.Registry { return runtimesOn(kubernetes.Config{}) }

func runtimesOn(cluster kubernetes.Config) lab.Registry {
	return lab.Registry{docker.Driver(), host.Driver(), kubernetes.Driver(cluster)}
}

// Runtime is a runtime that was chosen.
type Runtime struct {
	lab.Runtime
	Name string
}

// inLab brings the lab up, measures, and takes it down whatever happens.
func (s *Session) inLab(ctx context.Context, measure func(context.Context, *Session) error) (err error) {
	rt := s.Existing
	if rt == nil {
		if rt, err = makeRuntime(ctx, s.Config, lab.RuntimeConfig{Binaries: s.Binaries, Cut: s.Cut, Spread: s.Drain}, s.Step); err != nil {
			return err
		}
	}
	s.RuntimeName, s.Result.Runtime = rt.Name, rt.Name
	s.Step("%s, profile %s", s.Name, s.Profile)
	began := time.Now()
	s.Lab = lab.New(rt.Runtime, lab.Options{Layout: rt.Layout(), Progress: func(string) {}})
	defer func() { err = errors.Join(err, s.down(ctx)) }()
	if err := topology.Apply(ctx, s.Lab, s.Topology); err != nil {
		return err
	}
	s.Step("lab up: %d nodes in %.1f s", len(s.Lab.Nodes("")), time.Since(began).Seconds())
	s.describeLab(ctx)
	if err := s.FindWorkers(); err != nil {
		return err
	}
	defer func() { s.Workers.Close() }()
	if err := s.findCeiling(ctx); err != nil {
		return err
	}
	return measure(ctx, s)
}

// FindWorkers takes the lab's workers over, as after a change of its topology.
func (s *Session) FindWorkers() error {
	nodes := s.Lab.Nodes(topology.RoleWorker)
	if len(nodes) == 0 {
		return errors.New("the lab has no worker")
	}
	if s.Workers != nil {
		s.Workers.Close()
	}
	var all []load.Worker
	for _, n := range nodes {
		all = append(all, load.Worker{Name: n.Name(), Client: load.NewClient("http://" + n.HostAddr(topology.PortWorker))})
	}
	s.Workers = load.NewWorkers(all...)
	return nil
}

// restartWithin bounds the restart of a worker.
const restartWithin = 45 * time.Second

// restartLost starts the workers again that an attack lost, so that it does not cost the attacks after it. The attack itself stays invalid.
// A worker that does not start is told by the next attack, which is given up.
func (s *Session) restartLost(ctx context.Context, res *load.Result) {
	if res == nil || ctx.Err() != nil {
		return
	}
	for _, w := range res.Workers {
		if w.Lost == "" {
			continue
		}
		s.Step("%s %s; starting it again", w.Name, w.Lost)
		bounded, cancel := context.WithTimeout(ctx, restartWithin)
		err := s.Lab.Restart(bounded, w.Name)
		cancel()
		if err == nil {
			err = s.FindWorkers()
		}
		if err != nil {
			s.Step("%s does not start: %s", w.Name, OneLine(err))
		}
	}
}

// makeRuntime makes the runtime that the session's configuration names, or the first one that is available if it names none. Without
// binaries they are the configuration's two.
func makeRuntime(ctx context.Context, of Config, c lab.RuntimeConfig, step func(string, ...any)) (*Runtime, error) {
	driver, err := runtimesOn(of.Cluster).Choose(ctx, of.Runtime, func(d lab.Driver, _ error) {
		step("runtime %s is not available here", d.Name)
	})
	if err != nil {
		return nil, err
	}
	if c.Spread && !driver.Machines {
		return nil, fmt.Errorf("runtime %s: %w: want runtime %s (make kube-up starts a cluster)", driver.Name, ErrOneMachine, RuntimeKubernetes)
	}
	step("runtime %s: the nodes are %s", driver.Name, driver.Description)
	if c.Binaries == nil {
		c.Binaries = map[string]string{lab.ProgramGateway: of.Gateway, lab.ProgramHarness: of.Harness}
	}
	c.Progress = func(line string) { step("%s", line) }
	c.Install = func(ctx context.Context, programs []string) error { // by the script that `make deps` runs
		missing := strings.Join(programs, ", ")
		step("installing %s, if this user may", missing)
		cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-s"}, programs...)...) //nolint:gosec // names of programs
		cmd.Stdin = strings.NewReader(deploy.Deps)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		return subprocess.Failed(ctx, subprocess.Failure{What: "install " + missing, Program: "make deps",
			Advice: "install them yourself (make deps says how), or start a Docker engine: RUNTIME=docker"}, err, out)
	}
	rt, err := driver.New(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Runtime{Runtime: rt, Name: driver.Name}, nil
}

// describeLab says in the manifest what carries the lab. Images are told apart from the rest by their key.
func (s *Session) describeLab(ctx context.Context) {
	m := &s.Result.Manifest
	m.Runtime, m.Images = map[string]string{}, map[string]string{}
	for k, v := range s.Lab.Info(ctx) {
		if program, ok := strings.CutPrefix(k, "image_"); ok {
			m.Images[program] = v
			continue
		}
		m.Runtime[k] = v
	}
	m.Durability = map[string]map[string]string{}
	settings := s.Lab.Settings()
	for _, role := range []string{topology.RolePostgres, topology.RoleRedis} {
		if have, ok := settings[role]; ok { // a lab may have one of them
			m.Durability[role] = have
		}
	}
	if pg := m.Durability[topology.RolePostgres]; pg != nil {
		pg = maps.Clone(pg)
		for _, k := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			if pg[k] == "" {
				pg[k] = "on" // the program's default
			}
		}
		m.Durability[topology.RolePostgres] = pg
	}
}

// findCeiling measures what the generator can do in this lab against a server that does nothing.
func (s *Session) findCeiling(ctx context.Context) error {
	if s.CeilingConnections == 0 {
		return nil
	}
	a := load.Attack{
		ID: "ceiling", Model: load.Closed, Target: s.URL(topology.RoleOrigin, topology.PortNull),
		Connections: max(s.CeilingConnections, s.Workers.Len()), // one at least for each worker
		Warmup:      500 * time.Millisecond, Duration: 2 * time.Second, Timeout: 5 * time.Second,
		Seed: s.Seed, SampleEvery: HashEvery, Requests: []load.Request{{Name: "null", Path: "/", Weight: 1}},
	}
	res, err := s.Send(ctx, "ceiling", a)
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	s.CeilingQPS = res.QPS()
	seconds := a.Duration.Seconds()
	s.Result.Ceiling = &result.Ceiling{QPS: res.QPS(), Connections: &a.Connections, DurationS: &seconds}
	s.Step("ceiling: %.0f QPS against a server that does nothing", res.QPS())
	return nil
}

// logsWithin bounds the fetching of one node's log: an engine that hangs must not keep the lab from being removed.
const logsWithin = 10 * time.Second

// down puts the end of what each node wrote into the run's folder, also if there will be no report, as it tells why, and removes the lab.
func (s *Session) down(ctx context.Context) error {
	var unkept error
	for _, n := range s.Lab.Nodes("") {
		if err := s.KeepLog(ctx, n, n.Name()); err != nil {
			unkept = err
		}
	}
	began := time.Now()
	if err := s.Lab.Close(ctx); err != nil {
		return errors.Join(unkept, err)
	}
	s.Step("lab removed (%.1f s)", time.Since(began).Seconds())
	return unkept
}

// KeepLog puts the end of what a node wrote into the run's folder, under a name: for nodes that are removed before the lab is.
func (s *Session) KeepLog(ctx context.Context, n lab.Node, as string) error {
	fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), logsWithin)
	defer cancel()
	text, err := n.Logs(fetching)
	if err != nil || text == "" {
		return nil //nolint:nilerr // the engine may be gone, and the log with it
	}
	dir := filepath.Join(s.Reports, "runs", s.ID, "logs")
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = os.WriteFile(filepath.Join(dir, as+".log"), []byte(text+"\n"), 0o644) //nolint:gosec // a report
	}
	if err != nil {
		return fmt.Errorf("write the nodes' logs: %w", err)
	}
	return nil
}

// Conditions are what assessing needs to know about the lab, while it is there.
func (s *Session) Conditions() assess.Conditions {
	c := assess.Conditions{
		CeilingQPS: s.CeilingQPS, Limited: s.RuntimeName != RuntimeHost, HostMemory: readings.HostMemory(), StandIns: []string{},
	}
	for _, key := range slices.Sorted(maps.Keys(s.Result.Manifest.Runtime)) {
		if strings.HasPrefix(key, "standin_") {
			c.StandIns = append(c.StandIns, s.Result.Manifest.Runtime[key])
		}
	}
	if s.Lab != nil {
		c.Settings = s.Lab.Settings()
	}
	return c
}

// URL is where the worker reaches a node.
func (s *Session) URL(node string, port int) string { return "http://" + s.Lab.Addr(node, port) }

// Keep is a runtime whose nodes outlive this process, on fixed ports, after what an earlier process left was removed. Of a config it needs
// the runtime and the binaries.
func Keep(ctx context.Context, c Config, id string, ports map[string]int) (*Runtime, error) {
	rt, err := makeRuntime(ctx, c, lab.RuntimeConfig{RunID: id, Keep: true, Ports: ports}, Steps(c.Observer))
	if err != nil {
		return nil, err
	}
	if _, err := rt.Sweep(ctx); err != nil {
		return nil, errors.Join(err, rt.Close(context.WithoutCancel(ctx)))
	}
	return rt, nil
}
