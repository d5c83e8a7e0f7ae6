package capacity

import (
	"context"
	"fmt"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/stats"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// predictedReplicas are the numbers of replicas that the law is asked for.
var predictedReplicas = []int{10, 100}

// scale measures closed-loop throughput of each number of replicas in turns, round by round, and fits the scalability law. One number after
// another would be unfair: the host may be a third faster a minute later.
func (v *survey) scale(ctx context.Context) error {
	index, names := map[string]int{}, make([]string, len(v.subjects))
	for i := range v.subjects {
		names[i] = v.subjects[i].Name
		index[names[i]] = i
	}
	var rounds []Round
	for left := v.options.Closed; left > 0; left-- {
		round := Round{}
		for _, name := range stats.Order(names, left) { // the last round is in the report's order
			qps, err := v.scaleOne(ctx, index[name], left == 1)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if qps > 0 {
				round[v.subjects[index[name]].Topology.Replicas] = qps
			}
		}
		if len(round) == len(v.subjects) {
			rounds = append(rounds, round)
		}
	}
	if len(v.subjects) < 3 {
		return nil
	}
	f, err := FitUSL(rounds, predictedReplicas, v.session.Seed)
	if err != nil {
		v.session.Step("no scalability law: %v", err)
		return nil
	}
	v.session.Result.Scalability = f.report()
	return nil
}

// scaleOne is one closed-loop window of a subject. In the last round the subject is reported.
func (v *survey) scaleOne(ctx context.Context, i int, last bool) (qps float64, err error) {
	if err := v.rescale(ctx, &v.subjects[i]); err != nil {
		return 0, err
	}
	qps, err = v.closedWindow(ctx, i)
	if last && err == nil {
		v.report(v.found[i])
	}
	return qps, err
}

// rescale changes the number of replicas and nothing else: what is in Postgres and Redis stays.
func (v *survey) rescale(ctx context.Context, s *scenario.Stage) error {
	if err := topology.Apply(ctx, v.session.Lab, stage.Topology(s)); err != nil {
		return err
	}
	return sut.Agree(ctx, v.session.Lab.Nodes(topology.RoleGateway))
}

// closedWindow is a closed-loop window of subject i, kept if anything succeeded; its rate in requests per second.
func (v *survey) closedWindow(ctx context.Context, i int) (float64, error) {
	m := v.found[i]
	a, err := v.closed(ctx, m.Stage)
	if err != nil {
		return 0, err
	}
	qps := a.Result.QPS()
	if qps > 0 {
		v.session.Result.Capacity[i].Closed = append(v.session.Result.Capacity[i].Closed, qps)
		m.Closed = append(m.Closed, a)
	}
	return qps, nil
}

// closed is one closed-loop window.
func (v *survey) closed(ctx context.Context, s *scenario.Stage) (*assess.Recording, error) {
	v.attacks++
	a := stage.Workload(v.session, s, load.Closed, v.attacks)
	a.Connections = max(s.Load.Closed.Connections, 64)
	a.Warmup, a.Duration = time.Second, min(v.options.Window, 3*time.Second)
	return v.attack(ctx, s, a)
}

// point measures one rate, open-loop.
func (v *survey) point(ctx context.Context, m *assess.Measurement, rate float64) (*assess.Recording, Point, error) {
	v.attacks++
	a := stage.Workload(v.session, m.Stage, load.Open, v.attacks)
	a.Rate = rate
	a.Warmup, a.Duration = time.Second, v.window(m.Stage, rate)
	got, err := v.attack(ctx, m.Stage, a)
	if err != nil {
		return nil, Point{}, err
	}
	res := got.Result
	p := Point{
		Rate: rate, QPS: res.QPS(), P50MS: res.Corrected.Percentile(0.5), P99MS: res.Corrected.Percentile(0.99),
		ErrorRate: res.ErrorRate(), Valid: true,
	}
	m.Conditions = v.session.Conditions()
	p.More = v.more(m, got)
	if missed := assess.GeneratorMissed(m.Facts(got)); len(missed) > 0 {
		p.Valid, p.Why = false, missed[0].Name+": "+missed[0].Saw
	}
	return got, p, nil
}

// more are the figures of objectives that a point does not have by itself.
func (v *survey) more(m *assess.Measurement, a *assess.Recording) map[string]*float64 {
	alone := assess.Measurement{Stage: m.Stage, Conditions: m.Conditions, Open: []*assess.Recording{a}}
	s, _ := alone.Result()
	out := map[string]*float64{}
	for _, o := range v.options.Plan.SLO {
		out[o.String()], _ = s.Figure(o)
	}
	return out
}

// window is long enough for the percentiles that are asked for.
func (v *survey) window(s *scenario.Stage, rate float64) time.Duration {
	return max(v.options.Window, time.Duration(samples(s, v.options.Plan.SLO)/rate*float64(time.Second)))
}

func (v *survey) attack(ctx context.Context, s *scenario.Stage, a load.Attack) (*assess.Recording, error) {
	got, err := v.session.Attack(ctx, s.Name, a)
	if err != nil {
		return nil, err
	}
	got.Round = v.attacks
	return got, nil
}

// report is a fit in the report.
func (f Fit) report() *result.Scalability {
	span := func(i Interval) result.Range {
		return result.Range{Value: i.Value, Low: i.Low, High: i.High}
	}
	out := &result.Scalability{
		Lambda: f.Lambda, Sigma: span(f.ContentionRange), Kappa: span(f.CoherencyRange),
		Identified: f.Identified, Reason: f.Why,
	}
	if f.Identified {
		for _, p := range f.Predictions {
			out.Predictions = append(out.Predictions, result.Prediction{Replicas: p.N, QPS: span(p.Interval)})
		}
	}
	return out
}
