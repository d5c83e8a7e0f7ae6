package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatelab/harness/internal/capacity"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// CapacityOptions say what to search for. Options.Stages names one stage, or is
// scenario.All: then every stage is searched as it stands, with as many replicas
// as it has, and there is no scalability law.
type CapacityOptions struct {
	Options
	Plan     capacity.Plan
	Replicas []int         // of the one stage; each is searched; three or more are fitted by the scalability law
	Window   time.Duration // of one measurement
	Closed   int           // closed-loop windows for the scalability law, for each number of replicas
}

// searching is a search under way.
type searching struct {
	*run
	options CapacityOptions
	subject []scenario.Stage // what is searched, in this order
	rounds  int
}

// Capacity searches for the highest rate within an SLO, for each number of
// replicas or for each stage. A report is written where at least one was
// searched.
func Capacity(ctx context.Context, o CapacityOptions) (*Outcome, error) {
	switch {
	case len(o.Stages) != 1:
		return nil, errors.New("stage: want exactly one, or " + scenario.All)
	case len(o.Replicas) == 0:
		return nil, errors.New("replicas: want at least one number")
	case o.Window < time.Second || o.Window > time.Minute:
		return nil, fmt.Errorf("window: %s is not allowed: want 1s to 1m", o.Window)
	case o.Closed < 0 || o.Closed > 50:
		return nil, fmt.Errorf("closed: %d is not allowed: want 0 to 50", o.Closed)
	}
	for _, n := range o.Replicas {
		if n < 1 || n > 9 {
			return nil, fmt.Errorf("replicas: %d is not allowed: want 1 to 9", n)
		}
	}
	if err := o.Plan.Validate(); err != nil {
		return nil, err
	}
	r, err := prepare(o.Options)
	if err != nil {
		return nil, err
	}
	r.name = "capacity-" + o.Stages[0]
	r.id = time.Now().UTC().Format("20060102T150405Z") + "-" + r.name
	s := &searching{run: r, options: o}
	if err := s.choose(); err != nil {
		return nil, err
	}
	r.instead = s.all
	r.stages = slices.Clone(s.subject[:1])
	r.cpu = readCPU()
	r.result = &report.Result{RunID: r.id, Scenario: r.name, Profile: o.Profile, StartedAt: time.Now().UTC(), InvalidReasons: []string{}, Histograms: map[string][]byte{}}
	err = r.inLab(ctx)
	r.result.FinishedAt = time.Now().UTC()
	if len(r.result.Capacity) == 0 {
		return nil, errors.Join(err, errors.New("no capacity was measured"))
	}
	r.manifestHost()
	incomplete(r.result, err)
	dir, werr := r.write()
	if err = errors.Join(err, werr); err != nil {
		return nil, err
	}
	out := &Outcome{Result: r.result, Dir: dir}
	if !r.result.Valid {
		return out, ErrInvalid
	}
	return out, nil
}

// choose says what is searched: one stage with several numbers of replicas, or
// every stage with its own.
func (s *searching) choose() error {
	if s.options.Stages[0] != scenario.All {
		for _, n := range s.options.Replicas {
			one := s.prepared(s.stages[0])
			one.Topology.Replicas, one.Name = n, fmt.Sprintf("%s-%d", one.Name, n)
			s.subject = append(s.subject, one)
		}
		return nil
	}
	for _, one := range s.stages {
		if len(one.Edge.Countries) > 0 {
			s.Console.Step("%s: left out: the edge of this lab stands for distance, and its one thread for nobody's capacity", one.Name)
			continue
		}
		s.subject = append(s.subject, s.prepared(one))
	}
	if len(s.subject) == 0 {
		return errors.New("stage: none whose capacity could be searched for")
	}
	return nil
}

// prepared is a stage without faults, to be held to the SLO that was asked for.
func (s *searching) prepared(one scenario.Stage) scenario.Stage {
	one.Faults, one.Random = nil, scenario.Random{}
	one.Load.Probe.Rate = 0
	one.SLO = scenario.SLO{P99: s.options.Plan.SLO.P99, ErrorRate: s.options.Plan.SLO.ErrorRate}
	one.Published = nil
	return one
}

// every is whether it is the stages that differ, not the replicas of one.
func (s *searching) every() bool { return s.options.Stages[0] == scenario.All }

// lawful is whether several numbers of replicas are compared closed-loop.
func (s *searching) lawful() bool { return !s.every() && s.options.Closed > 0 }

// all searches for each subject, and fits the law.
func (s *searching) all(ctx context.Context) error {
	found := make([]*measured, len(s.subject))
	for i := range s.subject {
		stage := &s.subject[i]
		if err := s.setUp(ctx, stage, i == 0); err != nil {
			return fmt.Errorf("%s: %w", stage.Name, err)
		}
		c, m, err := s.search(ctx, stage)
		if err != nil {
			return fmt.Errorf("%s: %w", stage.Name, err)
		}
		found[i] = m
		s.result.Capacity = append(s.result.Capacity, *c)
		if s.lawful() {
			continue // the law's windows are still to come
		}
		if err := s.closedWindows(ctx, i, m); err != nil {
			return fmt.Errorf("%s: %w", stage.Name, err)
		}
		s.show(m)
	}
	if s.lawful() {
		return s.law(ctx, found)
	}
	return nil
}

// closedWindows are one stage's, one after another.
func (s *searching) closedWindows(ctx context.Context, i int, m *measured) error {
	for range s.options.Closed {
		if _, err := s.closedWindow(ctx, i, m); err != nil {
			return err
		}
	}
	return nil
}

// closedWindow is one of subject i, kept where anything was answered.
func (s *searching) closedWindow(ctx context.Context, i int, m *measured) (float64, error) {
	q, a, err := s.closed(ctx, m.stage)
	if err != nil || q == 0 {
		return 0, err
	}
	s.result.Capacity[i].Closed = append(s.result.Capacity[i].Closed, q)
	m.closed = append(m.closed, a)
	return q, nil
}

// show puts what was measured of a subject into the result.
func (s *searching) show(m *measured) {
	if len(m.open)+len(m.closed) > 0 {
		s.assemble(m)
	}
}

// search is one number of replicas.
func (s *searching) search(ctx context.Context, stage *scenario.Stage) (*report.Capacity, *measured, error) {
	clean, err := s.clean(ctx, stage)
	if err != nil {
		return nil, nil, err
	}
	m := &measured{stage: stage, reset: clean, warm: "empty before the search, and warm from rate to rate by design"}
	// What is cold at first (caches, connections) must not decide at the lowest
	// rates.
	if _, _, err := s.closed(ctx, stage); err != nil {
		return nil, nil, fmt.Errorf("warm up: %w", err)
	}
	var confirms []*attacked
	found, err := capacity.Search(s.options.Plan, func(rate float64, confirming bool) (capacity.Point, error) {
		a, p, err := s.point(ctx, m, rate)
		if err != nil {
			return p, err
		}
		if !confirming || len(confirms) > 0 && confirms[0].result.Attack.Rate != rate {
			confirms = nil
		}
		if confirming && p.Valid {
			confirms = append(confirms, a)
		}
		return p, nil
	})
	if err != nil {
		return nil, nil, err
	}
	c := &report.Capacity{Stage: stage.Name, Replicas: stage.Topology.Replicas, SLO: s.options.Plan.SLO.String(), Limit: found.Limit}
	for _, p := range found.Points {
		c.Points = append(c.Points, report.CapacityPoint{
			OfferedQPS: p.Rate, QPS: p.QPS, P50MS: p.P50MS, P99MS: p.P99MS, ErrorRate: p.ErrorRate, Valid: p.Valid, Confirms: p.Confirms, Missed: p.Why,
		})
	}
	if knee, ok := capacity.Knee(found.Points); ok {
		c.KneeQPS = &knee
	}
	if found.Rate > 0 {
		c.QPS = &found.Rate
		m.open = confirms
		s.Console.Step("%s: %.0f requests/s within %s", stage.Name, found.Rate, c.SLO)
	} else {
		s.Console.Step("%s: no rate that was tried from %.0f requests/s on was within %s: %s", stage.Name, s.options.Plan.From, c.SLO, found.Limit)
	}
	return c, m, nil
}

// window is long enough for a p99: a thousand successes, and some to spare.
func (s *searching) window(rate float64) time.Duration {
	return max(s.options.Window, time.Duration(1300/rate*float64(time.Second)))
}

// point measures one rate, open-loop.
func (s *searching) point(ctx context.Context, m *measured, rate float64) (*attacked, capacity.Point, error) {
	s.rounds++
	a := s.attack(m.stage, load.Open, s.rounds)
	o := m.stage.Load.Open
	a.Rate, a.Warmup, a.Duration, a.Timeout, a.Connections = rate, time.Second, s.window(rate), o.Timeout, o.Connections
	got, err := s.run.run(ctx, m.stage, a, nil)
	if err != nil {
		return nil, capacity.Point{}, err
	}
	got.round = s.rounds
	res := got.result
	p := capacity.Point{
		Rate: rate, QPS: res.QPS(), P50MS: res.Corrected.Percentile(0.5), P99MS: res.Corrected.Percentile(0.99),
		ErrorRate: res.ErrorRate(), Valid: true,
	}
	for _, c := range measure.Run(s.facts(m, got)) {
		if c.Verdict == measure.Invalid && slices.Contains(ofLatency, c.Name) {
			p.Valid, p.Why = false, c.Name+": "+c.Saw
			break
		}
	}
	return got, p, nil
}
