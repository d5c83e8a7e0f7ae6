package capacity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/slo"
	"github.com/gatelab/gatelab/harness/internal/stage"
)

// Options say what to search for.
type Options struct {
	session.Config
	File string // the scenario
	// Stage is one stage, which is searched with each number of Replicas, or scenario.All: then every stage is searched with the replicas
	// that it has, and no scalability law is fitted.
	Stage    string
	Plan     Plan
	Replicas []int         // three or more are fitted by the scalability law
	Window   time.Duration // of one measurement
	Closed   int           // closed-loop windows for the scalability law, for each number of replicas
}

func (o Options) validate() error {
	switch {
	case o.Stage == "":
		return errors.New("stage: want exactly one, or " + scenario.All)
	case len(o.Replicas) == 0:
		return errors.New("replicas: want at least one number")
	case o.Window < time.Second || o.Window > time.Minute:
		return fmt.Errorf("window: %s is not allowed: want 1s to 1m", o.Window)
	case o.Closed < 0 || o.Closed > 50:
		return fmt.Errorf("closed: %d is not allowed: want 0 to 50", o.Closed)
	}
	for _, n := range o.Replicas {
		if n < 1 || n > 9 {
			return fmt.Errorf("replicas: %d is not allowed: want 1 to 9", n)
		}
	}
	return o.Plan.Validate()
}

// survey is a search over several subjects under way.
type survey struct {
	session  *session.Session
	options  Options
	subjects []scenario.Stage // what is searched, in this order
	skipped  []string         // stages that are not searched
	found    []*assess.Measurement
	attacks  int // so far, for their identifiers
}

// Run searches for the highest rate within an SLO, for each number of replicas or for each stage. The lab is always removed. A report is
// written if at least one was searched.
func Run(ctx context.Context, o Options) (*session.Outcome, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	v, err := newSurvey(o)
	if err != nil {
		return nil, err
	}
	first := &v.subjects[0]
	return session.Run(ctx, o.Config, session.Plan{
		Name: "capacity-" + o.Stage, Topology: stage.Topology(first), Seed: first.Seed,
		CeilingConnections: max(first.Load.Closed.Connections, 1),
	}, session.Program{Measure: v.measure, Complete: atLeastOne})
}

// newSurvey chooses the subjects: one stage with several numbers of replicas, or every stage with its own.
func newSurvey(o Options) (*survey, error) {
	plan, err := stage.Load(o.File, o.Profile, o.Stage)
	if err != nil {
		return nil, err
	}
	plan.Staff(o.Config)
	v := &survey{options: o}
	for _, s := range plan.Stages {
		if o.Stage == scenario.All {
			if len(s.Edge.Countries) > 0 {
				v.skipped = append(v.skipped, s.Name)
			} else {
				v.subjects = append(v.subjects, v.subject(s))
			}
			continue
		}
		for _, n := range o.Replicas {
			one := v.subject(s)
			one.Topology.Replicas = n
			one.Name = fmt.Sprintf("%s-%d", one.Name, n)
			v.subjects = append(v.subjects, one)
		}
	}
	for i := range v.subjects {
		if err := v.subjects[i].CheckObjectives(o.Plan.SLO); err != nil {
			return nil, fmt.Errorf("stage %s: %w", v.subjects[i].Name, err)
		}
	}
	if len(v.subjects) == 0 {
		return nil, errors.New("stage: none whose capacity could be searched for")
	}
	return v, nil
}

// subject is a stage without faults, with the SLO that was asked for.
func (v *survey) subject(s scenario.Stage) scenario.Stage {
	s.Faults, s.Random = nil, scenario.Random{}
	s.Load.Probe.Rate = 0
	s.SLO = v.options.Plan.SLO
	s.Published = nil
	return s
}

// fitsLaw says whether the replicas of one stage are compared closed-loop, in turns.
func (v *survey) fitsLaw() bool { return v.options.Stage != scenario.All && v.options.Closed > 0 }

// measure searches each subject, and measures what the scalability law needs.
func (v *survey) measure(ctx context.Context, s *session.Session) error {
	v.session = s
	for _, name := range v.skipped {
		s.Step("%s: left out: the lab's edge adds distance and no capacity", name)
	}
	for i := range v.subjects {
		if err := v.measureSubject(ctx, &v.subjects[i], i == 0); err != nil {
			v.reportRest()
			return fmt.Errorf("%s: %w", v.subjects[i].Name, err)
		}
	}
	if !v.fitsLaw() {
		return nil
	}
	if err := v.scale(ctx); err != nil {
		v.reportRest()
		return err
	}
	return nil
}

// reportRest reports the subjects whose report was to come with the law's last windows, where the survey broke off before.
func (v *survey) reportRest() {
	for _, m := range v.found {
		if !slices.ContainsFunc(v.session.Result.Stages, func(s result.Stage) bool { return s.Name == m.Stage.Name }) {
			v.report(m)
		}
	}
}

func (v *survey) measureSubject(ctx context.Context, st *scenario.Stage, fresh bool) error {
	defer v.session.Stage(st.Name)()
	empty, err := stage.SetUp(ctx, v.session, st, fresh)
	if err != nil {
		return err
	}
	m := &assess.Measurement{Stage: st, Empty: empty, Warm: "empty before the search, and warm from rate to rate by design"}
	c, err := v.search(ctx, m)
	if c != nil {
		v.found = append(v.found, m)
		v.session.Result.Capacity = append(v.session.Result.Capacity, *c)
	}
	if err != nil {
		return err
	}
	if v.fitsLaw() {
		return nil // the law's windows are still to come
	}
	for range v.options.Closed {
		if _, err := v.closedWindow(ctx, len(v.found)-1); err != nil {
			return err // what there is, is reported by the caller
		}
	}
	v.report(m)
	return nil
}

// report puts what was measured of a subject into the result, while its lab is there.
func (v *survey) report(m *assess.Measurement) {
	if len(m.Open)+len(m.Closed) == 0 {
		return
	}
	stage.Report(v.session, m)
	if len(m.Open) == 0 { // no rate was within the objectives, which the capacity says; a closed loop alone is not held to them
		v.session.Result.Stages[len(v.session.Result.Stages)-1].SLO = nil
	}
}

// atLeastOne wants one capacity. A stage in the report is not wanted: where no rate was within the SLO there may be none.
func atLeastOne(s *session.Session) error {
	if len(s.Result.Capacity) == 0 {
		return errors.New("no capacity was measured")
	}
	return nil
}

// search finds the capacity of one subject. One that breaks off returns the rates that were tried beside its error.
func (v *survey) search(ctx context.Context, m *assess.Measurement) (*result.Capacity, error) {
	// What is cold at first (caches, connections) must not decide at the lowest rates.
	if _, err := v.closed(ctx, m.Stage); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	var confirms []*assess.Recording
	found, err := Search(v.options.Plan, func(rate float64, confirming bool) (Point, error) {
		a, p, err := v.point(ctx, m, rate)
		if err != nil {
			return p, err
		}
		if !confirming || len(confirms) > 0 && confirms[0].Result.Attack.Rate != rate {
			confirms = nil
		}
		if confirming && p.Valid {
			confirms = append(confirms, a)
		}
		return p, nil
	})
	if err != nil && len(found.Points) == 0 {
		return nil, err
	}
	if err != nil { // the rates that were tried are kept
		found.Rate, found.Limit = 0, "broken off before an answer was found"
		return found.report(m.Stage, v.options.Plan.SLO), err
	}
	if found.Rate > 0 {
		m.Open = confirms
		v.session.Verdict("%s: %.0f requests/s within %s", m.Stage.Name, found.Rate, v.options.Plan.SLO)
	} else {
		v.session.Verdict("%s: no rate from %.0f requests/s on was within %s: %s",
			m.Stage.Name, v.options.Plan.From, v.options.Plan.SLO, found.Limit)
	}
	return found.report(m.Stage, v.options.Plan.SLO), nil
}

// report is a capacity in the report.
func (f Found) report(s *scenario.Stage, asked slo.Objectives) *result.Capacity {
	out := &result.Capacity{Stage: s.Name, Replicas: s.Topology.Replicas, SLO: asked.String(), Limit: f.Limit}
	for _, p := range f.Points {
		out.Points = append(out.Points, result.CapacityPoint{
			OfferedQPS: p.Rate, QPS: p.QPS, P50MS: p.P50MS, P99MS: p.P99MS, ErrorRate: p.ErrorRate,
			Valid: p.Valid, Confirms: p.Confirms, Missed: p.Why,
		})
	}
	if knee, ok := Knee(f.Points); ok {
		out.KneeQPS = &knee
	}
	if f.Rate > 0 {
		out.QPS = &f.Rate
	}
	return out
}
