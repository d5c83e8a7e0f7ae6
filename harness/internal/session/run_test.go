package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// recorder keeps events.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) Observe(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// kinds are the events' kinds in order, without the progress of attacks, of which there is more on a slow machine.
func (r *recorder) kinds() (kinds []Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind != Progress {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func (r *recorder) last() Event { return r.events[len(r.events)-1] }

// trialRun is a session on a lab of this process.
type trialRun struct {
	config  Config
	plan    Plan
	runtime *labtest.Runtime
	events  *recorder
}

func newTrialRun(t *testing.T) *trialRun {
	t.Helper()
	rt, events := labtest.New(), &recorder{}
	reports := t.TempDir()
	return &trialRun{
		runtime: rt, events: events,
		config: Config{
			Profile: "smoke", Reports: reports, Version: "v1", Command: []string{"harness", "run"},
			Existing: &Runtime{Runtime: rt, Name: "test"},
			Observer: Observers{events, NewLiveLog(reports, func(text string) { t.Error(text) })},
		},
		plan: Plan{Name: "cache", Topology: topology.Topology{Replicas: 2}, Seed: 42},
	}
}

// dir is the folder of the only run.
func (r *trialRun) dir(t *testing.T) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(r.config.Reports, "runs", "*-cache"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("runs %q, error %v: want one", dirs, err)
	}
	return dirs[0]
}

// wantClosed fails unless the lab is gone and the end of every node's log was kept.
func (r *trialRun) wantClosed(t *testing.T) {
	t.Helper()
	if r.runtime.Closed() != 1 || len(r.runtime.Running()) != 0 {
		t.Errorf("the lab was closed %d times, and %q still run", r.runtime.Closed(), r.runtime.Running())
	}
	for _, name := range []string{"gateway-1", "gateway-2", "postgres", "redis", "origin", "worker", "lb"} {
		b, err := os.ReadFile(filepath.Join(r.dir(t), "logs", name+".log"))
		if err != nil || string(b) != "log of "+name+"\n" {
			t.Errorf("%s's log is %q, error %v", name, b, err)
		}
	}
}

func (r *trialRun) reported(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(r.dir(t), result.FileJSON))
	return err == nil
}

func oneStage(s *Session) {
	s.Result.Stages = append(s.Result.Stages, result.Stage{Name: "cache", Valid: true})
}

func TestSessionReportsWhatWasMeasured(t *testing.T) {
	r := newTrialRun(t)
	out, err := Run(t.Context(), r.config, r.plan, Program{
		Measure: func(_ context.Context, s *Session) error {
			end := s.Stage("cache")
			s.Fault(fault.StepInjected, fault.Event{Kind: "kill", Target: "gateway-2"})
			oneStage(s)
			end()
			return nil
		},
		Complete: func(s *Session) error {
			if r.runtime.Closed() != 1 {
				t.Error("the lab is still there when the result is completed")
			}
			s.Verdict("pass")
			return nil
		},
		Tell: func(_ *Session, dir string) error { return os.WriteFile(filepath.Join(dir, "own.txt"), nil, 0o600) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.wantClosed(t)
	// Begin, lab up, the stage and its fault, lab removed, the verdict, the end; "test, profile" is the first step.
	want := []Kind{Begin, Step, Step, StageBegin, Fault, StageEnd, Step, Verdict, End}
	if got := r.events.kinds(); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if end := r.events.last(); end.Valid == nil || !*end.Valid || end.RunID != out.Result.RunID || end.At.IsZero() {
		t.Errorf("the end is %+v", end)
	}
	for _, link := range []string{"latest", "latest-cache"} {
		if to, err := filepath.EvalSymlinks(filepath.Join(r.config.Reports, link)); err != nil || filepath.Base(to) != out.Result.RunID {
			t.Errorf("%s is %q, error %v", link, to, err)
		}
	}
	if out.Dir != r.dir(t) {
		t.Errorf("the report is in %s, not in %s", out.Dir, r.dir(t))
	}
	if _, err := os.Stat(filepath.Join(out.Dir, "own.txt")); err != nil {
		t.Error(err)
	}
	m := out.Result.Manifest
	if want := runtime.GOOS + "/" + runtime.GOARCH; m.Platform != want { // benchstat groups by its parts
		t.Errorf("platform %q, want %q", m.Platform, want)
	}
	if m.Seed != 42 || m.Version != "v1" || m.Runtime["runtime"] != "test" || out.Result.Runtime != "test" || out.Result.FinishedAt.IsZero() {
		t.Errorf("runtime %s, manifest %+v", out.Result.Runtime, m)
	}
	wantLog := []string{follow.Begin, follow.Step, follow.Step, follow.Fault, follow.Step, follow.Step, follow.End}
	if log := readLiveLog(t, out.Dir); !slices.Equal(kindsOf(log), wantLog) {
		t.Errorf("live log %v, want %v", kindsOf(log), wantLog)
	}
}

func TestSessionClosesLabOnError(t *testing.T) {
	gone := errors.New("the worker is gone")
	for _, c := range []struct {
		name     string
		measure  func(*Session) error
		reported bool
		want     string
	}{
		{name: "nothing was measured", measure: func(*Session) error { return gone }, want: "the worker is gone"},
		{name: "it ended without a result", measure: func(*Session) error { return nil }, want: "no stage was measured"},
		{name: "after a stage", measure: func(s *Session) error { oneStage(s); return gone }, reported: true, want: "the worker is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTrialRun(t)
			out, err := Run(t.Context(), r.config, r.plan, Program{
				Measure: func(_ context.Context, s *Session) error { return c.measure(s) },
			})
			if out != nil || err == nil || err.Error() != c.want {
				t.Errorf("outcome %+v, error %q, want %q", out, err, c.want)
			}
			r.wantClosed(t)
			if r.reported(t) != c.reported {
				t.Errorf("reported %v, want %v", r.reported(t), c.reported)
			}
			if end := r.events.last(); end.Kind != End || end.Text != c.want || end.Valid != nil {
				t.Errorf("the end is %+v", end)
			}
			if !c.reported {
				return
			}
			got, err := result.Read(filepath.Join(r.dir(t), result.FileJSON))
			if err != nil {
				t.Fatal(err)
			}
			if got.Valid || !slices.Contains(got.InvalidReasons, "incomplete: "+c.want) {
				t.Errorf("valid %v because of %q", got.Valid, got.InvalidReasons)
			}
		})
	}
}

func TestSessionClosesLabWhenContextEnds(t *testing.T) {
	r := newTrialRun(t)
	stopped := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	out, err := Run(ctx, r.config, r.plan, Program{
		Measure: func(ctx context.Context, _ *Session) error {
			cancel(stopped)
			<-ctx.Done()
			return context.Cause(ctx)
		},
	})
	if out != nil || !errors.Is(err, stopped) {
		t.Errorf("outcome %+v, error %v", out, err)
	}
	r.wantClosed(t)
}

func TestSessionClosesLabThatDoesNotStart(t *testing.T) {
	r := newTrialRun(t)
	r.runtime.Fail = "gateway-2"
	out, err := Run(t.Context(), r.config, r.plan, Program{
		Measure: func(context.Context, *Session) error { t.Error("it is measured"); return nil },
	})
	if out != nil || err == nil || !strings.Contains(err.Error(), "gateway-2 does not start") {
		t.Errorf("outcome %+v, error %v", out, err)
	}
	if r.runtime.Closed() != 1 || len(r.runtime.Running()) != 0 {
		t.Errorf("closed %d times, %q run", r.runtime.Closed(), r.runtime.Running())
	}
	if b, err := os.ReadFile(filepath.Join(r.dir(t), "logs", "postgres.log")); err != nil || len(b) == 0 {
		t.Errorf("the log of a node that did start is %q, error %v", b, err)
	}
}

// What a lab leaves behind is told beside the reason for which the run broke off.
func TestSessionJoinsErrorOfClosing(t *testing.T) {
	r := newTrialRun(t)
	r.runtime.CloseErr = errors.New("a network is left")
	_, err := Run(t.Context(), r.config, r.plan, Program{
		Measure: func(_ context.Context, s *Session) error { oneStage(s); return errors.New("the worker is gone") },
	})
	if err == nil || !strings.Contains(err.Error(), "the worker is gone") || !strings.Contains(err.Error(), "a network is left") {
		t.Errorf("error %v", err)
	}
}

func TestSessionThatIsNotValidHasAnOutcome(t *testing.T) {
	r := newTrialRun(t)
	out, err := Run(t.Context(), r.config, r.plan, Program{
		Measure: func(_ context.Context, s *Session) error {
			oneStage(s)
			s.Result.InvalidReasons = append(s.Result.InvalidReasons, "sends were late")
			return nil
		},
	})
	if !errors.Is(err, ErrInvalid) || out == nil || out.Result.Valid {
		t.Fatalf("outcome %+v, error %v", out, err)
	}
	if end := r.events.last(); end.Valid == nil || *end.Valid {
		t.Errorf("the end is %+v", end)
	}
}

func TestSessionRefusesAnUnknownRuntimeBeforeItBegins(t *testing.T) {
	r := newTrialRun(t)
	r.config.Runtime = "cloud"
	_, err := Run(t.Context(), r.config, r.plan, Program{})
	if err == nil || !strings.Contains(err.Error(), `unknown runtime "cloud"`) || len(r.events.events) != 0 {
		t.Errorf("error %v after %d events", err, len(r.events.events))
	}
}

func TestObserversAllReceiveEveryEventInOrder(t *testing.T) {
	var one, two recorder
	s := &Session{ID: "run", Config: Config{Observer: Observers{&one, &two}}}
	s.Step("first")
	s.Verdict("second")
	for name, o := range map[string]*recorder{"one": &one, "two": &two} {
		if got := o.kinds(); !slices.Equal(got, []Kind{Step, Verdict}) {
			t.Errorf("observer %s received %v", name, got)
		}
		if e := o.events[0]; e.Text != "first" || e.RunID != "run" || e.At.IsZero() {
			t.Errorf("observer %s received %+v", name, e)
		}
	}
}

func TestStandInsAreNamed(t *testing.T) {
	s := &Session{Result: &result.Result{Manifest: result.Manifest{Runtime: map[string]string{
		"standin_redis": "redis: miniredis", "engine": "none", "standin_lb": "lb: ours",
	}}}}
	if got := s.Conditions().StandIns; !slices.Equal(got, []string{"lb: ours", "redis: miniredis"}) {
		t.Errorf("stand-ins %q", got)
	}
}

// A run that drains machines is rejected by a runtime that has only this one, before anything is made.
func TestDrainNeedsMachines(t *testing.T) {
	c := Config{Runtime: RuntimeHost}
	_, err := makeRuntime(t.Context(), c, lab.RuntimeConfig{Spread: true}, func(string, ...any) {})
	const want = "runtime host: the fault drain needs a runtime with several machines: want runtime kubernetes"
	if !errors.Is(err, ErrOneMachine) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want ErrOneMachine", err)
	}
}
