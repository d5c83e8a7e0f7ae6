// Package session is one use of a lab, from its start to the report: it chooses the runtime, brings the lab up, gives access to the load
// worker, tells observers what happens, keeps node logs and the manifest, takes the lab down whatever happens, and writes the run's folder.
// What is measured in between is a Program's business.
//
// A run is read in session.go (from the start to the report), lab.go (the lab around what is measured) and attack.go.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/kubernetes"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/slo"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Config is the same for every program: where to run, where to write, whom to tell.
type Config struct {
	Profile  string            // of the scenario; for the report
	Runtime  string            // RuntimeDocker, RuntimeHost or RuntimeKubernetes; empty: the first that is available
	Cluster  kubernetes.Config // for RuntimeKubernetes
	Reports  string            // folder of runs/ and the latest links
	Gateway  string            // path of the gateway's binary
	Harness  string            // path of the harness's binary
	Version  string            // of the harness
	Command  []string          // for the manifest
	Observer Observer          // receives all events; may be nil
	// Objectives are asked of every stage instead of its own; empty: the stages' own are.
	Objectives slo.Objectives
	// Workers is how many workers send the load, instead of the scenario's number; 0: as many as the scenario says.
	Workers int
	// WantObjectives refuses a plan of which no stage has objectives.
	WantObjectives bool
	// Existing is a runtime to use instead of the one that Runtime names; nil: none. The session closes it.
	Existing *Runtime
}

// Plan is what a program wants of its session.
type Plan struct {
	Name     string            // of the run: the scenario in the report, and the end of the run's id
	Topology topology.Topology // of the lab to begin with
	Cut      []string          // roles whose nodes must be able to be disconnected
	Drain    bool              // machines are drained: the nodes of a role are spread over them
	Binaries map[string]string // our own programs; nil: Config's two
	Seed     uint64            // of the scenario
	// CeilingConnections are the connections of the attack on the null server, before anything else; 0: it is not measured.
	CeilingConnections int
}

// Program is what happens in a session, in three steps. Only Measure has a lab.
type Program struct {
	// Measure attacks the lab, and puts what it learned into Session.Result.
	Measure func(context.Context, *Session) error
	// Complete adds to the result what takes all of it, when the lab is gone. An error says that there is nothing to report. Nil: nothing
	// is to be added, and there is something to report if a stage was measured.
	Complete func(*Session) error
	// Tell writes files of the program's own beside the report; nil: none.
	Tell func(s *Session, dir string) error
}

// Session is a session under way.
type Session struct {
	Config
	Plan
	ID          string
	RuntimeName string
	Lab         *lab.Lab
	Workers     *load.Workers
	Result      *result.Result
	// CeilingQPS is the rate of the null server, in requests per second; 0 if it was not measured.
	CeilingQPS float64

	machine readings.Machine // at the beginning
}

// Outcome is a report that was written.
type Outcome struct {
	Result *result.Result
	Dir    string
}

// ErrInvalid says that a run is complete, but that not all of its figures may be used; the report says why.
var ErrInvalid = errors.New("the run is not valid")

// ErrOneMachine says that a run drains machines, and that its runtime has only this one.
var ErrOneMachine = errors.New("the fault drain needs a runtime with several machines")

// Run carries out a program. The lab is always removed, also when ctx ends. A report is written if there is something to report; if it is
// not valid, the error is ErrInvalid. If the run broke off, the report is not valid and says why, and so does the error; the Outcome is nil
// then, as it is without a report. The nodes' logs are written in any case.
func Run(ctx context.Context, c Config, p Plan, program Program) (out *Outcome, err error) {
	if err := Check(c); err != nil {
		return nil, err
	}
	began := time.Now().UTC()
	s := &Session{Config: c, Plan: p, ID: began.Format("20060102T150405Z") + "-" + p.Name, machine: readings.ReadMachine()}
	s.Result = &result.Result{
		RunID: s.ID, Scenario: p.Name, Profile: c.Profile, StartedAt: began,
		InvalidReasons: []string{}, Histograms: map[string][]byte{},
	}
	s.observe(Event{Kind: Begin, Text: p.Name + ", profile " + c.Profile})
	defer func() {
		end := Event{Kind: End}
		switch {
		case out != nil: // the report says what is not valid
			end.Valid = &out.Result.Valid
		case err != nil:
			end.Text = err.Error()
		}
		s.observe(end)
	}()
	err = s.inLab(ctx, program.Measure)
	s.Result.FinishedAt = time.Now().UTC()
	var nothing error // why there is nothing to report
	switch {
	case program.Complete != nil:
		nothing = program.Complete(s)
	case len(s.Result.Stages) == 0:
		nothing = errors.New("no stage was measured")
	}
	if nothing != nil {
		return nil, cmp.Or(err, nothing)
	}
	written, werr := s.report(err, program.Tell)
	if err != nil && werr == nil {
		s.Step("incomplete: what was measured until then is in %s", written.Dir)
	}
	if err = errors.Join(err, werr); err != nil {
		return nil, err
	}
	out = written
	if !s.Result.Valid {
		return out, ErrInvalid
	}
	return out, nil
}

// spaceNeeded is what a report needs on disk, with room to spare, in bytes.
const spaceNeeded = 16 << 20

// Check refuses what would fail only after minutes of measuring: a runtime that does not exist (empty is allowed), and a reports folder
// that cannot be made, written to, or has no space. Run begins with it; who has long work to do before that calls it first.
func Check(c Config) error {
	if known := Runtimes().Names(); c.Runtime != "" && !slices.Contains(known, c.Runtime) {
		return fmt.Errorf("unknown runtime %q: want one of %s", c.Runtime, strings.Join(known, ", "))
	}
	if c.Workers < 0 || c.Workers > topology.MaxWorkers {
		return fmt.Errorf("workers: %d is not allowed: want 1 to %d, or 0 for the scenario's own number", c.Workers, topology.MaxWorkers)
	}
	dir := filepath.Join(c.Reports, "runs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("reports: %s: %w", dir, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < spaceNeeded { //nolint:gosec // a block size is positive
		return fmt.Errorf("reports: %s has %d MiB free: want at least %d MiB; remove old runs (make clean)", dir, free>>20, spaceNeeded>>20)
	}
	probe, err := os.CreateTemp(dir, ".space-")
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// report says in the manifest where and how the run took place, writes the report, and lets the program write its own files beside it. A
// run that broke off, with an error, is not the whole: its result is marked.
func (s *Session) report(broke error, tell func(*Session, string) error) (*Outcome, error) {
	m := &s.Result.Manifest
	here := readings.Describe()
	hash, dirty := readings.Commit(".")
	m.Commit, m.Version = hash, s.Version
	m.CommandLine, m.Seed = s.Command, s.Seed
	if hash != "" {
		m.Dirty = &dirty
	}
	m.GoVersion, m.Kernel = here["go"], here["kernel"]
	m.OS, m.CPUModel = here["os"], here["cpu"]
	m.Platform = runtime.GOOS + "/" + runtime.GOARCH
	m.Cgroup = here["cgroup"]
	m.Cores = readings.Cores()
	m.MemoryMiB, _ = strconv.ParseFloat(strings.TrimSuffix(here["memory"], " MiB"), 64)
	m.Host = map[string]float64{}
	now := readings.ReadMachine()
	if steal, busy := s.machine.Steal(now), s.machine.Busy(now); steal != nil && busy != nil {
		m.Host["steal_percent"], m.Host["busy_percent"] = *steal*100, *busy*100
	}
	if r := s.Result; broke != nil {
		r.Valid = false
		r.InvalidReasons = append(r.InvalidReasons, "incomplete: "+OneLine(broke))
		if r.Experiment != nil {
			r.Experiment.Passed = false
		}
		if r.Drill != nil {
			r.Drill.Passed = false
		}
	}
	out, err := Write(s.Reports, s.Name, s.Result)
	if err != nil || tell == nil {
		return out, err
	}
	if err := tell(s, out.Dir); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return out, nil
}

// Write writes a result into runs/<id>, and points latest, latest-<kind> and latest-<name> at it; a link that exists is replaced in one
// step. A name that is that of another kind of run has no link of its own.
func Write(reports, name string, r *result.Result) (*Outcome, error) {
	out := &Outcome{Result: r, Dir: filepath.Join(reports, "runs", r.RunID)}
	if err := report.Write(out.Dir, r); err != nil {
		return nil, err
	}
	kind := r.Kind()
	links := []string{"latest", "latest-" + string(kind)}
	if !slices.Contains(result.Kinds(), result.Kind(name)) {
		links = append(links, "latest-"+name)
	}
	for _, link := range links {
		path := filepath.Join(reports, link)
		next := path + ".new"
		_ = os.Remove(next)
		if err := os.Symlink(filepath.Join("runs", r.RunID), next); err != nil {
			return nil, fmt.Errorf("link %s: %w", path, err)
		}
		if err := os.Rename(next, path); err != nil {
			return nil, fmt.Errorf("link %s: %w", path, err)
		}
	}
	return out, nil
}
