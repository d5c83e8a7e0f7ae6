package experiment

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// killedReplica is an experiment of seconds: a replica is killed while configuration is written.
const killedReplica = `name: kill-replica
stages: [{name: kill-replica, changes: [a replica is killed]}]
topology: {replicas: 2}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load:
  open: {rate: 50, connections: 4, duration: 3s, timeout: 1s}
  probe: {rate: 20, direct_rate: 5, timeout: 1s}
writes: {rate: 10}
faults: [{kind: kill, target: gateway-2, at: 500ms, recover_after: 500ms}]
expect: {failed: {max: 100000}}
profiles: {smoke: {}}
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

// options carry out experiments in a lab of this process.
func options(t *testing.T, text string) (Options, *recorder) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "experiment.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rt, events := labtest.New(), &recorder{}
	return Options{File: file, Config: session.Config{
		Profile: "smoke", Reports: dir, Existing: &session.Runtime{Runtime: rt, Name: "test"},
		Observer: session.Observers{events, session.NewLiveLog(dir, func(text string) { t.Error(text) })},
	}}, events
}

func TestExperimentBreaksALoadedLab(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, events := options(t, killedReplica)
	out, err := Run(t.Context(), o)
	if err != nil && !errors.Is(err, session.ErrInvalid) { // a busy machine may be too slow for it
		t.Fatal(err)
	}
	x, r := out.Result.Experiment, out.Result
	if x == nil || !x.Passed || len(x.Entries) != 3 || len(x.Bands) != 1 || len(x.Timeline) < 3 {
		t.Fatalf("experiment %+v", x)
	}
	if w := x.Writes; w == nil || w.Sent < 10 || w.Acknowledged == 0 || w.Lost+w.Half != 0 || w.Followed == 0 {
		t.Errorf("writes %+v", w)
	}
	if f := r.Faults; len(f) != 1 || f[0].Target != "gateway-2" || f[0].EffectObservedAt == nil || f[0].RecoveredAt == nil ||
		f[0].LostWrites == nil {
		t.Errorf("faults %+v", f)
	}
	if s := r.Stages; len(s) != 1 || s[0].Name != "kill-replica" || len(s[0].Attacks) != 1 {
		t.Errorf("stages %+v", s)
	}
	var marks []string
	for _, e := range events.events {
		switch e.Kind {
		case session.StageBegin, session.StageEnd:
			marks = append(marks, string(e.Kind)+" "+e.Stage)
		case session.Fault:
			marks = append(marks, e.FaultStep)
		}
	}
	want := []string{
		"stage-begin kill-replica", fault.StepInjected, fault.StepEffect, fault.StepRecover, fault.StepRecovered, "stage-end kill-replica",
	}
	if !slices.Equal(marks, want) {
		t.Errorf("marks %q, want %q", marks, want)
	}
	for _, file := range []string{follow.File, "logs/gateway-2.log", result.FileJSON} {
		if _, err := os.Stat(filepath.Join(out.Dir, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestExperimentThatShowsSomethingElseIsUnexpected(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	// So many requests cannot fail.
	o, _ := options(t, strings.Replace(killedReplica, "failed: {max: 100000}", "failed: {min: 100000}", 1))
	out, err := Run(t.Context(), o)
	if errors.Is(err, session.ErrInvalid) {
		t.Skipf("the machine is too busy to judge: %q", out.Result.InvalidReasons)
	}
	if !errors.Is(err, ErrUnexpected) || out == nil || out.Result.Experiment.Passed {
		t.Errorf("outcome %+v, error %v", out, err)
	}
}

func TestOptionsAreRefusedBeforeTheLabStarts(t *testing.T) {
	for _, c := range []struct {
		name     string
		text     string
		duration time.Duration
		want     string
	}{
		{name: "no fault", text: strings.Replace(killedReplica, "faults: [{", "#", 1), want: "there is no fault in it"},
		{
			name: "a duration that ends before a fault does", text: killedReplica, duration: time.Second,
			want: "is too short for kill on gateway-2",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, events := options(t, c.text)
			o.Duration = c.duration
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) || len(events.events) != 0 {
				t.Errorf("error %v after %d events", err, len(events.events))
			}
		})
	}
}

func TestOverviewIsTheNewestOfItsKind(t *testing.T) {
	one := &result.Result{
		RunID: "20260101T000000Z-kill-replica", Scenario: "kill-replica", Valid: true,
		Stages: []result.Stage{{Name: "kill-replica", Valid: true}}, Experiment: &result.Experiment{Passed: true},
	}
	reports := t.TempDir()
	out, err := Overview(reports, []*result.Result{one})
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"latest", "latest-all-faults"} {
		if to, err := filepath.EvalSymlinks(filepath.Join(reports, link)); err != nil || filepath.Base(to) != filepath.Base(out.Dir) {
			t.Errorf("%s is %q, error %v, want %s", link, to, err, out.Dir)
		}
	}
}
