package trial

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

var (
	errAway = errors.New("away")
	errOver = errors.New("over")
)

// fakeStore is the store of several replicas.
type fakeStore struct {
	mu      sync.Mutex
	began   time.Time
	counts  map[string]entity.TrialCounts // by process
	away    bool
	outcome string
	reason  string
	ended   time.Duration // after it began
}

func newStore() *fakeStore {
	return &fakeStore{began: time.Now(), counts: map[string]entity.TrialCounts{}}
}

func (s *fakeStore) ReportTrial(
	_ context.Context, _, process, _ string, _, tried entity.TrialCounts,
) (all entity.TrialCounts, age time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return all, 0, errAway
	}
	s.counts[process] = tried
	for _, c := range s.counts {
		all = all.Plus(c)
	}
	return all, time.Since(s.began), nil
}

func (s *fakeStore) end(outcome, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away:
		return errAway
	case s.outcome != "":
		return errOver
	}
	s.outcome, s.reason = outcome, reason
	s.ended = time.Since(s.began)
	return nil
}

func (s *fakeStore) DropTrial(_ context.Context, _, _, reason string) error {
	return s.end("dropped", reason)
}
func (s *fakeStore) PromoteTrial(_ context.Context, _, _, reason string) error {
	return s.end("promoted", reason)
}

func (s *fakeStore) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *fakeStore) result() (outcome, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcome, s.reason
}

// replica serves so many requests of a trial each second, of which some fail.
type replica struct {
	store *fakeStore
	about entity.Trial

	mu      sync.Mutex
	counts  entity.TrialCounts
	stopped bool
	failed  error
}

func (r *replica) About() *entity.Trial { return &r.about }
func (r *replica) Failed() error        { return r.failed }

func (r *replica) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
}

func (r *replica) Counts() (stable, tried entity.TrialCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return entity.TrialCounts{}, r.counts
}

func (r *replica) isStopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

func (r *replica) serve(c entity.TrialCounts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.counts = r.counts.Plus(c)
	}
}

// judged runs a judge of a replica that serves each second what perSecond says, until
// the test ends.
func judged(t *testing.T, s *fakeStore, name string, rules entity.TrialRules, perSecond entity.TrialCounts) *replica {
	r := &replica{store: s, about: entity.Trial{ID: "t", Name: "x", Rules: rules}}
	j := New(Config{
		Replica: name, Process: name, Log: slog.New(slog.DiscardHandler),
		Running: func() Running {
			if outcome, _ := s.result(); outcome != "" {
				return nil
			}
			return r
		},
		Over: func(err error) bool { return errors.Is(err, errOver) },
	}, s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.serve(perSecond)
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

func percent(p float64) *float64 { return &p }

func TestATrialEnds(t *testing.T) {
	requests := func(n, errors, slow int64) entity.TrialCounts {
		return entity.TrialCounts{Requests: n, Errors: errors, Slow: slow}
	}
	base := entity.TrialRules{Window: 30, MinRequests: 20, Lasts: 600, Then: entity.ThenDrop}
	with := func(change func(*entity.TrialRules)) entity.TrialRules { r := base; change(&r); return r }
	for _, tt := range []struct {
		name      string
		rules     entity.TrialRules
		perSecond entity.TrialCounts
		outcome   string
		reason    string
		least     time.Duration
		most      time.Duration
	}{
		{"everything fails", with(func(r *entity.TrialRules) { r.MaxErrors = percent(1) }), requests(50, 50, 0),
			"dropped", "max_errors=1%", time.Second, 2 * time.Second},
		{"a few percent fail", with(func(r *entity.TrialRules) { r.MaxErrors = percent(1) }), requests(50, 3, 0),
			"dropped", "max_errors=1%", time.Second, 15 * time.Second},
		{"too few requests to tell", with(func(r *entity.TrialRules) { r.MaxErrors = percent(1); r.Window = 10 }), requests(1, 1, 0),
			"dropped", "its 10m0s are over", 600 * time.Second, 603 * time.Second},
		{"slow", with(func(r *entity.TrialRules) { r.MaxP99 = 100 }), requests(50, 0, 25),
			"dropped", "max_p99=100ms", time.Second, 2 * time.Second},
		{"as slow as it may be", with(func(r *entity.TrialRules) { r.MaxP99 = 100; r.Then = entity.ThenPromote }), requests(200, 0, 1),
			"promoted", "its objectives are met", 600 * time.Second, 603 * time.Second},
		{"good", with(func(r *entity.TrialRules) { r.MaxErrors = percent(1); r.Lasts, r.Then = 60, entity.ThenPromote }), requests(50, 0, 0),
			"promoted", "its objectives are met", 60 * time.Second, 63 * time.Second},
		{"good, without a promotion", with(func(r *entity.TrialRules) { r.MaxErrors = percent(1) }), requests(50, 0, 0),
			"dropped", "its 10m0s are over", 600 * time.Second, 603 * time.Second},
		{"without requests", with(func(r *entity.TrialRules) { r.MaxErrors = percent(1); r.Then = entity.ThenPromote }), requests(0, 0, 0),
			"dropped", "want min_requests=20", 600 * time.Second, 603 * time.Second},
		// 12 of 1000 are above 1%, and not so far above it that it would be certain.
		{"a little too bad to be promoted",
			with(func(r *entity.TrialRules) { r.MaxErrors = percent(1); r.Lasts, r.Then = 20, entity.ThenPromote }),
			requests(84, 1, 0), "dropped", "is not met", 20 * time.Second, 23 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				judged(t, s, "gw-1", tt.rules, tt.perSecond)
				time.Sleep(20 * time.Minute)
				outcome, reason := s.result()
				if outcome != tt.outcome || !strings.Contains(reason, tt.reason) || s.ended < tt.least || s.ended > tt.most {
					t.Errorf("%s after %v: %q", outcome, s.ended, reason)
				}
			})
		})
	}
}

// Replicas with few requests each find out together.
func TestReplicasJudgeByWhatAllHaveCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		rules := entity.TrialRules{MaxErrors: percent(1), Window: 10, MinRequests: 60, Lasts: 600}
		for _, name := range []string{"gw-1", "gw-2", "gw-3"} {
			judged(t, s, name, rules, entity.TrialCounts{Requests: 3, Errors: 3})
		}
		time.Sleep(time.Minute)
		if outcome, reason := s.result(); outcome != "dropped" || !strings.Contains(reason, "on all replicas") || s.ended > 12*time.Second {
			t.Errorf("%s after %v: %q", outcome, s.ended, reason)
		}
	})
}

// A replica that cannot reach the store stops its own part of a bad trial, and has the
// trial dropped when the store is back.
func TestAReplicaStopsABadTrialWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.set(true)
		r := judged(t, s, "gw-1", entity.TrialRules{MaxErrors: percent(1), Window: 10, MinRequests: 20, Lasts: 600},
			entity.TrialCounts{Requests: 50, Errors: 50})
		time.Sleep(3 * time.Second)
		if !r.isStopped() {
			t.Error("it serves the trial after three seconds")
		}
		time.Sleep(time.Minute)
		if outcome, _ := s.result(); outcome != "" {
			t.Fatalf("%s without a store", outcome)
		}
		s.set(false)
		time.Sleep(3 * time.Second)
		if outcome, reason := s.result(); outcome != "dropped" || !strings.Contains(reason, "on gw-1") {
			t.Errorf("%s: %q", outcome, reason)
		}
	})
}

func TestATrialThatAReplicaCannotServeIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		r := &replica{store: s, about: entity.Trial{ID: "t", Name: "x"}, failed: errors.New("no such plugin")}
		j := New(Config{Replica: "gw-1", Process: "p", Log: slog.New(slog.DiscardHandler), Running: func() Running { return r },
			Over: func(err error) bool { return errors.Is(err, errOver) }}, s)
		j.look(t.Context(), time.Now())
		if outcome, reason := s.result(); outcome != "dropped" || reason != "gw-1 cannot serve its configuration: no such plugin" {
			t.Errorf("%s: %q", outcome, reason)
		}
	})
}

// What was counted before a process began is not of its window.
func TestAProcessThatBeginsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.counts["dead"] = entity.TrialCounts{Requests: 1000, Errors: 1000}
		time.Sleep(time.Minute)
		judged(t, s, "gw-1", entity.TrialRules{MaxErrors: percent(1), Window: 10, MinRequests: 20, Lasts: 600}, entity.TrialCounts{Requests: 50})
		time.Sleep(time.Minute)
		if outcome, reason := s.result(); outcome != "" {
			t.Errorf("%s: %q", outcome, reason)
		}
	})
}

func TestAtLeast(t *testing.T) {
	for _, tt := range []struct {
		part, of int64
		least    float64
		most     float64
	}{{0, 20, 0, 1e-12}, {20, 20, 0.65, 0.7}, {1, 20, 0, 0.01}, {1000, 50_000, 0.018, 0.02}} {
		if got := atLeast(tt.part, tt.of); got < tt.least-1e-12 || got > tt.most {
			t.Errorf("%d of %d: %v", tt.part, tt.of, got)
		}
	}
}
