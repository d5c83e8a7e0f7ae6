package ladder

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// twoStages is a ladder that takes seconds: in the second stage a replica is killed.
const twoStages = `name: small
topology: {replicas: 2}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load:
  closed: {connections: 2, duration: 1s}
  open: {share: 0.5, max_rate: 100, connections: 4, duration: 1s}
  probe: {rate: 20, timeout: 1s}
profiles: {smoke: {}}
stages:
  - {name: calm, changes: [nothing]}
  - name: killed
    changes: [a replica is killed]
    load: {open: {duration: 2s}}
    faults: [{kind: kill, target: gateway-2, at: 200ms, recover_after: 400ms}]
`

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []session.Event
}

func (r *recorder) Observe(e session.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// marks are what Grafana is told: stages, and steps of faults.
func (r *recorder) marks() (marks []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		switch e.Kind {
		case session.StageBegin, session.StageEnd:
			marks = append(marks, string(e.Kind)+" "+e.Scenario+" "+e.Stage)
		case session.Fault:
			marks = append(marks, e.FaultStep)
		}
	}
	return marks
}

// steps are the texts of steps.
func (r *recorder) steps() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var steps []string
	for _, e := range r.events {
		if e.Kind == session.Step {
			steps = append(steps, e.Text)
		}
	}
	return strings.Join(steps, "\n")
}

// options replay a scenario in a lab of this process.
func options(t *testing.T, text string) (Options, *labtest.Runtime, *recorder) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "small.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rt, events := labtest.New(), &recorder{}
	return Options{File: file, Config: session.Config{
		Profile: "smoke", Reports: dir, Existing: &session.Runtime{Runtime: rt, Name: "test"},
		Observer: session.Observers{events, session.NewLiveLog(dir, func(text string) { t.Error(text) })},
	}}, rt, events
}

func TestLadderReplaysItsStages(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, rt, events := options(t, twoStages)
	out, err := Run(t.Context(), o)
	if err != nil && !errors.Is(err, session.ErrInvalid) { // a busy machine may be too slow for it
		t.Fatal(err)
	}
	r := out.Result
	if len(r.Stages) != 2 || r.Stages[0].Name != "calm" || r.Stages[1].Name != "killed" || r.Scenario != scenario.All || r.Ceiling == nil {
		t.Fatalf("scenario %s with %d stages, ceiling %+v", r.Scenario, len(r.Stages), r.Ceiling)
	}
	for _, s := range r.Stages {
		if s.Load.OpenCapacityQPS == nil || s.ClosedLatencyMS == nil || s.ClosedErrorRate == nil {
			t.Errorf("%s: open capacity %v, closed latency %v", s.Name, s.Load.OpenCapacityQPS, s.ClosedLatencyMS)
		}
		if len(s.Attacks) != 2 || s.QPS == nil || s.LatencyMS == nil || s.Availability == nil || len(s.Checks) == 0 {
			t.Errorf("%s: %d attacks, QPS %v, latency %v, availability %v", s.Name, len(s.Attacks), s.QPS, s.LatencyMS, s.Availability)
		}
		if _, described := r.Manifest.Stages[s.Name]; !described || r.Histograms[s.Name+"-open-1-corrected.json"] == nil {
			t.Errorf("%s: in the manifest %v, histograms %d", s.Name, described, len(r.Histograms))
		}
	}
	if f := r.Faults; len(f) != 1 || f[0].Target != "gateway-2" || f[0].RecoveredAt == nil || f[0].Probes == nil {
		t.Errorf("faults %+v", f)
	}
	wantMarks := []string{
		"stage-begin all calm", "stage-end all calm", "stage-begin all killed",
		fault.StepInjected, fault.StepEffect, fault.StepRecover, fault.StepRecovered, "stage-end all killed",
	}
	// An attack that the machine spoiled is made again, and its faults are injected again.
	faults := wantMarks[3:7]
	got := events.marks()
	for i := 3; i+8 <= len(got) && slices.Equal(got[i:i+4], faults) && slices.Equal(got[i+4:i+8], faults); {
		got = slices.Delete(got, i, i+4)
	}
	if !slices.Equal(got, wantMarks) {
		t.Errorf("marks %q, want %q", events.marks(), wantMarks)
	}
	for _, want := range []string{
		"stages: calm, killed", "calm: configured, 2 replica(s) agree", "offering 100, the scenario's max_rate", "calm: carries about ",
		"calm closed: 2 connections, ",
		"killed open: 100/s offered, ", "; CPU us per request: ", "lab removed",
	} {
		if !strings.Contains(events.steps(), want) {
			t.Errorf("nothing is said of %q in:\n%s", want, events.steps())
		}
	}
	for _, file := range []string{follow.File, "logs/gateway-1.log", result.FileJSON} {
		if _, err := os.Stat(filepath.Join(out.Dir, file)); err != nil {
			t.Error(err)
		}
	}
	if rt.Closed() != 1 {
		t.Errorf("the lab was closed %d times", rt.Closed())
	}
}

// What was measured before a run broke off is reported, and not valid.
func TestLadderReportsWhatItMeasuredBeforeAnError(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, rt, events := options(t, strings.Replace(twoStages, "  - name: killed\n", "  - name: killed\n    topology: {replicas: 3}\n", 1))
	rt.Fail = "gateway-3"
	out, err := Run(t.Context(), o)
	if out != nil || err == nil || err.Error() != "stage killed: gateway-3 does not start" {
		t.Fatalf("outcome %+v, error %v", out, err)
	}
	end := events.events[len(events.events)-1]
	r, err := result.Read(filepath.Join(o.Reports, "latest", result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	if r.Valid || len(r.Stages) != 1 || !strings.Contains(strings.Join(r.InvalidReasons, "; "), "incomplete: stage killed") || end.Text == "" {
		t.Errorf("valid %v, %d stages, because of %q, end %q", r.Valid, len(r.Stages), r.InvalidReasons, end.Text)
	}
}

func TestLadderWithoutAStageHasNoReport(t *testing.T) {
	o, rt, _ := options(t, twoStages)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := Run(ctx, o)
	if out != nil || !errors.Is(err, context.Canceled) || rt.Closed() != 1 {
		t.Errorf("outcome %+v, error %v, closed %d times", out, err, rt.Closed())
	}
	if _, err := os.Stat(filepath.Join(o.Reports, "latest")); !os.IsNotExist(err) {
		t.Errorf("latest: error %v, want that there is none", err)
	}
}

func TestOfferIsAShareOfWhatIsCarried(t *testing.T) {
	for _, c := range []struct {
		name string
		open scenario.Open
		want float64
		step bool
	}{
		{name: "a share", open: scenario.Open{Share: 0.5}, want: 500},
		{name: "below the scenario's maximum", open: scenario.Open{Share: 0.5, MaxRate: 600}, want: 500},
		{name: "at most the scenario's maximum", open: scenario.Open{Share: 0.5, MaxRate: 200}, want: 200, step: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := &recorder{}
			l := &rung{
				session: &session.Session{Config: session.Config{Observer: events}},
				stage:   &scenario.Stage{Load: scenario.Attacks{Open: c.open}},
			}
			if got := l.offer(1000); got != c.want || (len(events.events) > 0) != c.step {
				t.Errorf("%v after %d steps, want %v", got, len(events.events), c.want)
			}
		})
	}
}

// Probes beside a load must succeed, and may be retried.
func TestProbesAreIdempotent(t *testing.T) {
	s := &scenario.Stage{}
	s.Load.Probe.Rate = 20
	load := load.Attack{
		ID: "cache-open-1", Model: load.Open, Rate: 500, Connections: 8,
		Requests: []load.Request{{Name: "list"}, {Name: "chat", Method: "POST"}, {Name: "model", Method: "GET"}},
	}
	p := probeOf(s, load)
	if p.ID != "cache-open-1-probe" || p.Rate != 20 || p.Connections != 0 || len(p.Requests) != 2 || p.Requests[1].Name != "model" {
		t.Errorf("probe %+v", p)
	}
	if len(load.Requests) != 3 {
		t.Error("the load's own requests were changed")
	}
}

// oneStage is a ladder of a second.
const oneStage = `name: small
topology: {replicas: 1}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load: {open: {rate: 50, connections: 4, duration: 2s}}
profiles: {smoke: {}}
stages: [{name: only, changes: [nothing]}]
`

// An attack during which other processes use the machine is made again. They end when that is said.
func TestLadderRepeatsWhatTheMachineSpoiled(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, _, events := options(t, oneStage)
	ctx, end := context.WithTimeout(t.Context(), 20*time.Second)
	defer end()
	for range runtime.NumCPU() {
		busy := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { end(); _ = busy.Wait() })
	}
	o.Observer = session.Observers{o.Observer, observerFunc(func(e session.Event) {
		if e.Kind == session.Step && strings.Contains(e.Text, "measuring it again") {
			end()
		}
	})}
	out, err := Run(t.Context(), o)
	if err != nil && !errors.Is(err, session.ErrInvalid) {
		t.Fatal(err)
	}
	attacks := out.Result.Stages[0].Attacks
	if len(attacks) != 1 || len(attacks[0].Repeated) == 0 || len(attacks[0].Repeated) > mostRepeats {
		t.Fatalf("attacks %+v: want one, made again at least once; said:\n%s", attacks, events.steps())
	}
	if warnings := strings.Join(out.Result.Stages[0].Warnings, "\n"); !strings.Contains(warnings, "open, round 1: repeated ") {
		t.Errorf("the report does not say so: %s", warnings)
	}
}

// observerFunc is a function that observes.
type observerFunc func(session.Event)

func (f observerFunc) Observe(e session.Event) { f(e) }

const twoWorkers = `name: small
topology: {replicas: 1, workers: 2}
rounds: 2
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load:
  open: {rate: 100, connections: 4, duration: 3s}
profiles: {smoke: {}}
stages:
  - {name: calm, changes: [nothing]}
`

// killer kills a node once an attack is under way.
type killer struct {
	rt   *labtest.Runtime
	name string
	once sync.Once
}

func (k *killer) Observe(e session.Event) {
	if e.Kind == session.Progress && !e.Unmeasured && e.Progress.Requests > 20 {
		k.once.Do(func() { go k.rt.Kill(k.name) })
	}
}

// A worker that dies in the middle of an attack makes the run invalid, and the report says which one and why.
func TestAWorkerThatDiesMakesTheRunInvalid(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, rt, _ := options(t, twoWorkers)
	o.Observer = session.Observers{o.Observer, &killer{rt: rt, name: "worker-2"}}
	out, err := Run(t.Context(), o)
	if !errors.Is(err, session.ErrInvalid) {
		t.Fatalf("error %v, want that the run is not valid", err)
	}
	s := out.Result.Stages[0]
	named := func(reason string) bool {
		return strings.Contains(reason, "workers together") && strings.Contains(reason, "worker-2 lost after")
	}
	if s.Valid || !slices.ContainsFunc(s.InvalidReasons, named) {
		t.Errorf("valid %v, reasons %q, want that worker-2 was lost", s.Valid, s.InvalidReasons)
	}
	a := s.Attacks[0]
	if len(a.Workers) != 2 || a.Workers[0].Lost != "" || a.Workers[1].Lost == "" || *s.Load.Workers != 2 {
		t.Errorf("workers %+v of %v", a.Workers, s.Load.Workers)
	}
	// It is started again: one death costs one attack.
	if again := s.Attacks[1]; len(again.Workers) != 2 || again.Workers[1].Lost != "" || again.Workers[1].Requests == 0 {
		t.Errorf("in the second round the workers are %+v", again.Workers)
	}
}

// The number of workers on the command line is in place of the scenario's.
func TestWorkersOfTheSession(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, rt, _ := options(t, twoWorkers)
	o.Workers = 3
	var seen []string
	o.Observer = session.Observers{o.Observer, observerFunc(func(e session.Event) {
		if e.Kind == session.StageBegin {
			seen = rt.Running()
		}
	})}
	out, err := Run(t.Context(), o)
	if err != nil && !errors.Is(err, session.ErrInvalid) { // a busy machine may be too slow for it
		t.Fatal(err)
	}
	if !slices.Contains(seen, "worker-3") || slices.Contains(seen, "worker-4") || len(out.Result.Stages[0].Attacks[0].Workers) != 3 {
		t.Errorf("nodes %q, workers %+v: want three workers", seen, out.Result.Stages[0].Attacks[0].Workers)
	}
}
