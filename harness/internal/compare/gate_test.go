package compare

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// smallGate has one workload and as many short rounds as a decision needs.
const smallGate = `name: gate
stages: [{name: proxy, changes: [nothing]}]
rounds: 8
topology: {replicas: 1}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load: {open: {rate: 200, connections: 4, duration: 1s, timeout: 1s}}
profiles: {full: {}, few: {rounds: 2}, shared: {load: {closed: {connections: 2, duration: 1s}, open: {rate: 0, share: 0.5}}}}
`

// recorder keeps the kinds of events in order, without the progress of attacks.
type recorder struct {
	mu    sync.Mutex
	kinds []session.Kind
}

func (r *recorder) Observe(e session.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind != session.Progress {
		r.kinds = append(r.kinds, e.Kind)
	}
}

func gateOptions(t *testing.T) (GateOptions, *recorder, *strings.Builder) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "gate.yaml")
	if err := os.WriteFile(file, []byte(smallGate), 0o600); err != nil {
		t.Fatal(err)
	}
	rt, events := labtest.New(), &recorder{}
	var said strings.Builder
	return GateOptions{
		Config: session.Config{
			Profile: "full", Reports: dir, Existing: &session.Runtime{Runtime: rt, Name: "test"},
			Observer: session.Observers{
				session.NewConsole(&said), events, session.NewLiveLog(dir, func(text string) { t.Error(text) }),
			},
		},
		File: file, Base: "HEAD", MaxRounds: 8, Margins: gate.DefaultMargins(),
	}, events, &said
}

func TestGateComparesItsArms(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for many seconds")
	}
	o, events, said := gateOptions(t)
	t.Chdir(repository(t))
	trial, err := newTrial(o)
	if err != nil {
		t.Fatal(err)
	}
	trial.stages[0].Load.Open.Duration = turnFor // a scenario's is a second or more
	out, err := trial.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Decision.Verdict == "" || len(out.Record.Samples) != 8*3 || out.Record.Ceiling <= 0 {
		t.Errorf("verdict %q of %d samples, ceiling %v", out.Decision.Verdict, len(out.Record.Samples), out.Record.Ceiling)
	}
	if c := out.Result.Comparison; c == nil || c.Verdict != out.Decision.Verdict || len(out.Result.Stages) != 3 {
		t.Errorf("comparison %+v of %d stages", c, len(out.Result.Stages))
	}
	files := []string{result.FileJSON, FileGateSummary, FileGateJUnit, gate.FileRecord, follow.File, "logs/gateway-1.log",
		"logs/gateway-3.log"}
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(out.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	if to, err := filepath.EvalSymlinks(filepath.Join(o.Reports, "latest-gate")); err != nil || filepath.Base(to) != out.Result.RunID {
		t.Errorf("latest-gate is %q, error %v", to, err)
	}
	rounds := 0
	for _, kind := range events.kinds {
		if kind == session.StageEnd {
			rounds++
		}
	}
	if rounds != 8 || !slices.Contains(events.kinds, session.Verdict) {
		t.Errorf("%d rounds are told, events %v", rounds, events.kinds)
	}
	for _, want := range []string{"building the arms", "built ", "all arms configured", "round 8 of 8: head/base; proxy CPU ", "lab removed"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("nothing is said of %q in:\n%s", want, said.String())
		}
	}
}

func TestGateRefusesAPlanThatCannotDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*GateOptions)
		want   string
	}{
		{name: "too few rounds", change: func(o *GateOptions) { o.Profile = "few" }, want: "rounds: 2 is not allowed: want at least "},
		{name: "fewer at most", change: func(o *GateOptions) { o.MaxRounds = 5 }, want: "max-rounds: 5 is not allowed"},
		{
			name: "a share of a build's capacity", change: func(o *GateOptions) { o.Profile = "shared" },
			want: "stage proxy: load.open: a gate needs a rate",
		},
		{name: "a margin that cannot be", change: func(o *GateOptions) { o.Margins.CPU = -1 }, want: "margin"},
		{name: "a baseline that is not there", change: func(o *GateOptions) { o.Baseline = "missing.json" }, want: "missing.json"},
		{name: "an unknown runtime", change: func(o *GateOptions) { o.Runtime = "cloud" }, want: `unknown runtime "cloud"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, events, said := gateOptions(t)
			c.change(&o)
			if _, err := Gate(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if len(events.kinds) != 0 || said.Len() != 0 {
				t.Errorf("it began: %v, %s", events.kinds, said.String())
			}
		})
	}
}

// A gate that broke off keeps its whole rounds, and has decided nothing.
func TestGateThatBrokeOffKeepsItsWholeRounds(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, events, said := gateOptions(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Observer = session.Observers{o.Observer, observerFunc(func(e session.Event) {
		if e.Kind == session.StageBegin && e.Stage == "round 3" {
			time.AfterFunc(100*time.Millisecond, stop)
		}
	})}
	t.Chdir(repository(t))
	trial, err := newTrial(o)
	if err != nil {
		t.Fatal(err)
	}
	trial.stages[0].Load.Open.Duration = turnFor
	if _, err := trial.run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that it was stopped", err)
	}
	dir := filepath.Join(o.Reports, "latest-gate")
	r, err := result.Read(filepath.Join(dir, result.FileJSON))
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	const reason = "no verdict: the gate broke off after 2 of 8 rounds"
	if c := r.Comparison; r.Valid || c == nil || c.Verdict != stats.Inconclusive || c.Reason != reason || *c.Rounds != 2 {
		t.Errorf("valid %v, comparison %+v", r.Valid, c)
	}
	if !slices.ContainsFunc(r.InvalidReasons, func(why string) bool { return strings.HasPrefix(why, "incomplete: round 3: ") }) {
		t.Errorf("not valid because of %q", r.InvalidReasons)
	}
	record, err := gate.Read(filepath.Join(dir, gate.FileRecord))
	if err != nil || len(record.Samples) != 2*3 || record.Measured() != 2 {
		t.Errorf("record %+v, error %v", record, err)
	}
	if !strings.Contains(said.String(), "incomplete: what was measured until then is in "+o.Reports) || len(events.kinds) == 0 {
		t.Errorf("nothing says where it is:\n%s", said.String())
	}
}

type observerFunc func(session.Event)

func (f observerFunc) Observe(e session.Event) { f(e) }

func TestGateWithoutAWholeRoundHasNoReport(t *testing.T) {
	half := []gate.Sample{{Workload: "a", Round: 1, Arm: gate.Base}}
	trial := &trial{record: &gate.Record{Workloads: []string{"a", "b"}, Samples: half}}
	if err := trial.complete(nil); err == nil || err.Error() != "the gate broke off in its first round" {
		t.Errorf("error %v", err)
	}
}
