package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// probe is an attack of one second against the lab's balancer.
func probe(s *Session) load.Attack {
	return load.Attack{
		ID: "probe", Model: load.Open, Target: s.URL(topology.RoleBalancer, topology.PortBalancer), Rate: 50, Connections: 2,
		Duration: time.Second, Timeout: 5 * time.Second, Requests: []load.Request{{Name: "get", Path: "/", Weight: 1}},
	}
}

// attacked carries out an attack with tasks beside it.
func (r *trialRun) attacked(ctx context.Context, tasks ...Task) (got *assess.Recording, err error) {
	_, _ = Run(ctx, r.config, r.plan, Program{
		Measure: func(ctx context.Context, s *Session) error {
			got, err = s.Attack(ctx, "cache", probe(s), tasks...)
			return err
		},
	})
	return got, err
}

func TestAttackWaitsForItsTasks(t *testing.T) {
	r := newTrialRun(t)
	over := make(chan struct{})
	var began time.Time
	got, err := r.attacked(t.Context(), func(context.Context) error {
		began = time.Now()
		<-over // outlasts the load
		return nil
	}, func(context.Context) error {
		time.AfterFunc(1500*time.Millisecond, func() { close(over) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Result.Requests < 40 || got.Result.Failed != 0 {
		t.Errorf("%d requests, %d failed (%v): want 50 that succeed", got.Result.Requests, got.Result.Failed, got.Result.Errors)
	}
	if len(got.Readings) < 2 || got.Window() < 0.5 || got.Counted.Requests == 0 || began.IsZero() {
		t.Errorf("%d readings over %.1f s, %d requests counted", len(got.Readings), got.Window(), got.Counted.Requests)
	}
	if u := got.Readings[0].Usage; len(u) != 7 {
		t.Errorf("a reading has %d nodes, want all seven", len(u))
	}
	var measured bool
	for _, e := range r.events.events {
		measured = measured || e.Kind == Progress && e.Attack.ID == "probe" && !e.Unmeasured
	}
	if !measured {
		t.Error("observers were not told of the attack")
	}
}

func TestAttackBreaksOffWithTheErrorOfATask(t *testing.T) {
	r := newTrialRun(t)
	lost := errors.New("the probe was lost")
	got, err := r.attacked(t.Context(), func(context.Context) error { return lost })
	if got != nil || !errors.Is(err, lost) {
		t.Errorf("attack %+v, error %v", got, err)
	}
}

func TestAttackEndsWithItsContext(t *testing.T) {
	r := newTrialRun(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, err := r.attacked(ctx, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("attack %+v, error %v", got, err)
	}
	r.wantClosed(t)
}

func TestCeilingIsMeasuredFirstAndNotExported(t *testing.T) {
	r := newTrialRun(t)
	r.plan.CeilingConnections = 2
	out, err := Run(t.Context(), r.config, r.plan, Program{
		Measure: func(_ context.Context, s *Session) error {
			if s.CeilingQPS <= 0 {
				t.Error("no ceiling")
			}
			oneStage(s)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := out.Result.Ceiling; c == nil || c.QPS <= 0 || *c.Connections != 2 || *c.DurationS != 2 {
		t.Errorf("ceiling %+v", c)
	}
	for _, e := range r.events.events {
		if e.Kind == Progress && (e.Attack.ID != "ceiling" || !e.Unmeasured) {
			t.Errorf("progress %+v: want that of the ceiling, unmeasured", e)
		}
	}
}

// Two workers share an attack, and every node is read, both workers among them.
func TestAttackOfTwoWorkers(t *testing.T) {
	r := newTrialRun(t)
	r.plan.Topology.Workers = 2
	r.plan.CeilingConnections = 1 // the ceiling is that of both
	got, err := r.attacked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res := got.Result
	if res.Requests+res.Unsent != 50 || res.Failed != 0 || len(res.Workers) != 2 || res.Workers[1].Name != "worker-2" {
		t.Errorf("%d requests, %d unsent, %v, workers %+v: want 50 of both", res.Requests, res.Unsent, res.Errors, res.Workers)
	}
	for _, w := range res.Workers {
		if w.Requests+w.Unsent != 25 || w.Lost != "" || w.Uncertain <= 0 {
			t.Errorf("%+v, want half of the requests, and a clock that was read", w)
		}
	}
	if u := got.Readings[0].Usage; len(u) != 8 {
		t.Errorf("a reading has %d nodes, want all eight", len(u))
	}
	var most load.Progress
	for _, e := range r.events.events {
		if e.Kind == Progress && e.Attack.ID == "probe" {
			most = e.Progress
		}
	}
	if most.Requests != res.Requests || !most.Ended() {
		t.Errorf("observers were told of %d requests at last, %s: want all %d", most.Requests, most.State, res.Requests)
	}
}

func TestSessionRefusesTooManyWorkers(t *testing.T) {
	r := newTrialRun(t)
	r.config.Workers = 10
	_, err := Run(t.Context(), r.config, r.plan, Program{})
	if err == nil || !strings.Contains(err.Error(), "workers: 10 is not allowed: want 1 to 9") {
		t.Errorf("%v", err)
	}
}
