package runner

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"gatelab/deploy"
	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/lab/docker"
	"gatelab/harness/internal/lab/host"
	"gatelab/harness/internal/scenario"
	"gatelab/harness/internal/subprocess"
)

// Runtimes that a lab can be carried by.
const (
	RuntimeDocker = "docker" // containers
	RuntimeHost   = "host"   // processes of this machine
)

// carrier is what carries the nodes of a lab.
type carrier struct {
	name    string
	runtime lab.Runtime
	layout  lab.Layout
}

// carryOptions are what differs between a run and a stack that stays.
type carryOptions struct {
	id    string         // empty: made up
	keep  bool           // the lab outlives this process
	ports map[string]int // fixed ones, "lb:8000" -> 8000
	cut   []string       // roles whose nodes must be able to be cut off
	// binaries are our own programs, where they are not only the two of the run.
	binaries map[string]string
}

// carry finds what can carry the nodes: what was asked for, else containers
// where an engine answers, else processes.
func (r *run) carry(ctx context.Context, o carryOptions) (carrier, error) {
	binaries := o.binaries
	if binaries == nil {
		binaries = map[string]string{lab.ProgramGateway: r.Gateway, lab.ProgramHarness: r.Harness}
	}
	progress := func(line string) { r.Console.Step("%s", line) }
	if r.Runtime != RuntimeHost {
		rt, err := docker.New(ctx, docker.Config{Binaries: binaries, Keep: o.keep, RunID: o.id, Progress: progress})
		switch {
		case err == nil:
			return carrier{name: RuntimeDocker, runtime: rt}, nil
		case !errors.Is(err, docker.ErrNoEngine):
			return carrier{}, err
		case r.Runtime == RuntimeDocker:
			return carrier{}, fmt.Errorf("%w: start Docker, set DOCKER_HOST to where it answers (`make doctor` tells more), or run without it: RUNTIME=host", err)
		}
		r.Console.Step("no Docker engine answers: the nodes are processes of this machine (RUNTIME=host)")
	} else {
		r.Console.Step("the nodes are processes of this machine")
	}
	rt, err := host.New(host.Config{
		Binaries: binaries, Keep: o.keep, RunID: o.id, Ports: o.ports, Cut: o.cut, Progress: progress,
		Install: r.install,
	})
	if err != nil {
		return carrier{}, err
	}
	return carrier{name: RuntimeHost, runtime: rt, layout: rt.Layout()}, nil
}

// install lets the script that `make deps` runs get what is missing.
func (r *run) install(ctx context.Context, programs []string) error {
	r.Console.Step("installing %s, where this user may", strings.Join(programs, ", "))
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-s"}, programs...)...) //nolint:gosec // names of programs
	cmd.Stdin = strings.NewReader(deploy.Deps)
	if out, err := cmd.CombinedOutput(); err != nil {
		return subprocess.Failed(ctx, subprocess.Failure{What: "install " + strings.Join(programs, ", "), Program: "make deps",
			Advice: "install them yourself (make deps says how), or start a Docker engine: RUNTIME=docker"}, err, out)
	}
	return nil
}

// cut are the roles that faults of the stages cut off from the network.
func cut(stages []scenario.Stage) []string {
	var roles []string
	for i := range stages {
		for _, f := range slices.Concat(stages[i].Faults, stages[i].Random.Faults) {
			role := f.Role
			if role == "" {
				role = roleOf(f.Target)
			}
			if f.Kind == fault.KindCutOff && !slices.Contains(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	return roles
}

// logsWithin bounds the fetching of one node's log: an engine that hangs must not
// keep the lab from being removed.
const logsWithin = 10 * time.Second

// keepLogs remembers the end of what each node wrote, for the run's folder.
func (r *run) keepLogs(ctx context.Context) {
	r.logs = map[string]string{}
	for _, n := range r.lab.Nodes("") {
		fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), logsWithin)
		if text, err := n.Logs(fetching); err == nil && text != "" {
			r.logs[n.Name()] = text
		}
		cancel()
	}
}
