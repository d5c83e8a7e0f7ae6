package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// Options say what to run and where to write.
type Options struct {
	File     string   // the scenario
	Stages   []string // names; empty or "all": every stage
	Profile  string
	Runtime  string // RuntimeDocker or RuntimeHost; empty: what the machine has
	Reports  string // folder of runs/ and the latest links
	Gateway  string // path of the gateway's binary
	Harness  string // path of the harness's binary
	Version  string
	Command  []string // for the manifest
	Console  *Console
	Progress bool   // show attacks as they go
	Watch    *Watch // whom to tell beside the console; may be nil

	// Chaos makes the run an experiment: every stage is broken as its schedule
	// says, and judged by what it expects.
	Chaos    bool
	Duration time.Duration // of an experiment's open attack; 0 is the scenario's
	Seed     *uint64       // nil is the scenario's
}

// ErrInvalid says that the run is complete, but that not all of its figures
// may be used; the report says why.
var ErrInvalid = errors.New("the run is not valid")

// Outcome is what came of a run.
type Outcome struct {
	Result *report.Result
	Dir    string // of the report
}

// run is a run under way.
type run struct {
	Options
	scenario *scenario.Scenario
	stages   []scenario.Stage
	name     string
	id       string
	runtime  lab.Runtime
	lab      *lab.Lab
	worker   *load.Client
	result   *report.Result
	ceiling  float64 // of the null server, requests a second
	cpu      cpuTimes
	logs     map[string]string // the end of each node's, by name
	follower follower
	// instead, where it is set, measures in the lab what it likes, and not the
	// stages one after another.
	instead func(context.Context) error
}

// Run carries out a scenario. The lab is always removed, also when ctx ends. A
// report is written when at least one stage was measured; where the run broke
// off after it the report is not valid and says why, as the error does.
func Run(ctx context.Context, o Options) (out *Outcome, err error) {
	r, err := prepare(o)
	if err != nil {
		return nil, err
	}
	r.follow()
	defer func() {
		if out != nil { // there is a report, which says what is not valid
			r.unfollow(nil)
			return
		}
		r.unfollow(err)
	}()
	began := time.Now()
	r.cpu = readCPU()
	r.result = &report.Result{RunID: r.id, Scenario: r.name, Profile: o.Profile, StartedAt: began.UTC(), InvalidReasons: []string{}, Histograms: map[string][]byte{}}
	err = r.inLab(ctx)
	r.result.FinishedAt = time.Now().UTC()
	if len(r.result.Stages) == 0 {
		if err == nil {
			err = errors.New("no stage was measured")
		}
		return nil, err
	}
	r.manifestHost()
	incomplete(r.result, err)
	dir, werr := r.write()
	if err = errors.Join(err, werr); err != nil {
		return nil, err
	}
	out = &Outcome{Result: r.result, Dir: dir}
	if !r.result.Valid {
		return out, ErrInvalid
	}
	if x := r.result.Experiment; x != nil && !x.Passed {
		return out, ErrUnexpected
	}
	return out, nil
}

// prepare finds out early what would make the run fail late.
func prepare(o Options) (*run, error) {
	s, err := scenario.Load(o.File)
	if err != nil {
		return nil, err
	}
	names := o.Stages
	if slices.Equal(names, []string{"all"}) {
		names = nil
	}
	stages, err := s.Plan(o.Profile, names...)
	if err != nil {
		return nil, err
	}
	r := &run{Options: o, scenario: s, stages: stages}
	if o.Chaos {
		if err := r.adjust(); err != nil {
			return nil, err
		}
	}
	switch {
	case len(names) == 1:
		r.name = names[0]
	case len(names) == 0 && len(s.StageNames) > 1:
		r.name = "all"
	default:
		r.name = s.Name
	}
	r.id = time.Now().UTC().Format("20060102T150405Z") + "-" + r.name
	if o.Runtime != "" && o.Runtime != RuntimeDocker && o.Runtime != RuntimeHost {
		return nil, fmt.Errorf("runtime %q is not known: want %s or %s", o.Runtime, RuntimeDocker, RuntimeHost)
	}
	return r, r.room()
}

// least is what a report needs on disk, with room to spare.
const least = 16 << 20

// room checks that the report can be written, before minutes of measuring.
func (r *run) room() error {
	dir := filepath.Join(r.Reports, "runs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("reports: %s: %w", dir, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < least { //nolint:gosec // a block size is positive
		return fmt.Errorf("reports: %s has %d MiB free: want at least %d MiB; remove old runs (make clean)", dir, free>>20, least>>20)
	}
	probe, err := os.CreateTemp(dir, ".room-")
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// inLab brings the lab up, measures, and takes it down whatever happens.
func (r *run) inLab(ctx context.Context) (err error) {
	c, err := r.carry(ctx, carryOptions{cut: cut(r.stages)})
	if err != nil {
		return err
	}
	r.runtime, r.result.Runtime = c.runtime, c.name
	r.Console.Step("%s, profile %s: %s", r.name, r.Profile, stageNames(r.stages))
	began := time.Now()
	r.lab = lab.New(c.runtime, lab.Options{Layout: c.layout, Progress: func(string) {}})
	defer func() {
		r.keepLogs(ctx)
		at := time.Now()
		if cerr := r.lab.Close(ctx); cerr != nil {
			err = errors.Join(err, cerr)
			return
		}
		r.Console.Step("lab removed (%.1f s)", time.Since(at).Seconds())
	}()
	if err := r.lab.Apply(ctx, topology(&r.stages[0])); err != nil {
		return err
	}
	r.Console.Step("lab up: %d nodes in %.1f s", len(r.lab.Nodes("")), time.Since(began).Seconds())
	r.manifestRuntime(ctx)
	return r.measure(ctx)
}

func stageNames(stages []scenario.Stage) string {
	names := make([]string, len(stages))
	for i := range stages {
		names[i] = stages[i].Name
	}
	return strings.Join(names, ", ")
}

// measure finds the ceiling and walks through the stages.
func (r *run) measure(ctx context.Context) error {
	worker, ok := r.lab.Node(lab.RoleWorker)
	if !ok {
		return errors.New("the lab has no worker")
	}
	r.worker = load.NewClient("http://" + worker.HostAddr(lab.PortWorker))
	if err := r.findCeiling(ctx, &r.stages[0]); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	if r.instead != nil {
		return r.instead(ctx)
	}
	for i := range r.stages {
		if r.Chaos {
			if err := r.experiment(ctx, &r.stages[i], i == 0); err != nil {
				return fmt.Errorf("experiment %s: %w", r.stages[i].Name, err)
			}
			continue
		}
		if err := r.stage(ctx, &r.stages[i], i == 0); err != nil {
			return fmt.Errorf("stage %s: %w", r.stages[i].Name, err)
		}
	}
	return nil
}

// topology is the lab that a stage asks for.
func topology(s *scenario.Stage) lab.Topology {
	t := lab.Topology{
		Replicas:  s.Topology.Replicas,
		Balancers: s.Topology.Balancers,
		Origins:   s.Topology.Origins,
		SmallDisk: wantsSmallDisk(s),
		Resources: map[string]lab.Resources{},
		Links:     map[string]lab.Link{},
		Gateway:   s.Gateway,
		Origin:    s.Origin.Flags(),
		Balancer: lab.Balance{Method: s.LB.Balance, Keepalive: s.LB.Keepalive, MaxFails: s.LB.MaxFails,
			FailTimeout: s.LB.FailTimeout, Retries: s.LB.Retries, Connect: s.LB.Connect, Idempotent: s.LB.Idempotent},
		Worker: []string{"--allow-target=" + lab.RoleBalancer, "--allow-target=" + lab.RoleOrigin, "--allow-target=" + lab.RoleLink},
	}
	if s.Topology.Balancers > 1 {
		t.Worker = append(t.Worker, "--allow-target="+lab.NameOf(lab.RoleBalancer, 2))
	}
	if s.Load.Probe.DirectRate > 0 {
		for i := 1; i <= s.Topology.Replicas; i++ {
			t.Worker = append(t.Worker, "--allow-target="+lab.GatewayName(i))
		}
	}
	for role, n := range s.Topology.Nodes {
		t.Resources[role] = lab.Resources{CPUs: n.CPUs, Memory: int64(n.Memory), Cores: n.Cores}
	}
	t.Edge = edgeOf(s)
	for far, l := range s.Topology.Links {
		t.Links[far] = lab.Link{Latency: l.Latency, Jitter: l.Jitter}
	}
	return t
}
