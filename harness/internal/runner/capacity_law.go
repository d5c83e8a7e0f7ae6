package runner

import (
	"context"
	"fmt"
	"time"

	"gatelab/harness/internal/capacity"
	"gatelab/harness/internal/gate"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// predicted are the numbers of replicas that the law is asked for.
var predicted = []int{10, 100}

// law measures closed-loop throughput of each number of replicas in turns, round
// by round, and fits the scalability law. One number after another would meet a
// host that is a third faster a minute later.
func (s *searching) law(ctx context.Context, found []*measured) error {
	at, names := map[string]int{}, make([]string, len(s.subject))
	for i := range s.subject {
		names[i] = s.subject[i].Name
		at[names[i]] = i
	}
	var rounds []capacity.Round
	for left := s.options.Closed; left > 0; left-- {
		round := capacity.Round{}
		for _, name := range gate.Order(names, left) { // the last round in the order of the report
			i := at[name]
			if err := s.rescale(ctx, &s.subject[i]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			q, err := s.closedWindow(ctx, i, found[i])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if q > 0 {
				round[s.subject[i].Topology.Replicas] = q
			}
			if left == 1 { // while the lab is as it was measured
				s.show(found[i])
			}
		}
		if len(round) == len(s.subject) {
			rounds = append(rounds, round)
		}
	}
	if len(s.subject) < 3 {
		return nil
	}
	f, err := capacity.FitUSL(rounds, predicted, s.stages[0].Seed)
	if err != nil {
		s.Console.Step("no scalability law: %v", err)
		return nil
	}
	s.result.Scalability = scalability(f)
	return nil
}

// rescale changes the number of replicas, and nothing else: what is in Postgres
// and Redis stays.
func (s *searching) rescale(ctx context.Context, stage *scenario.Stage) error {
	if err := s.lab.Apply(ctx, topology(stage)); err != nil {
		return err
	}
	return s.agree(ctx, s.lab.Nodes(lab.RoleGateway))
}

// closed is one closed-loop window: throughput for the scalability law.
func (s *searching) closed(ctx context.Context, stage *scenario.Stage) (float64, *attacked, error) {
	s.rounds++
	a := s.attack(stage, load.Closed, s.rounds)
	c := stage.Load.Closed
	a.Connections, a.Warmup, a.Duration, a.Timeout = max(c.Connections, 64), time.Second, min(s.options.Window, 3*time.Second), c.Timeout
	got, err := s.run.run(ctx, stage, a, nil)
	if err != nil {
		return 0, nil, err
	}
	got.round = s.rounds
	return got.result.QPS(), got, nil
}

// scalability is a fit in the report's words.
func scalability(f capacity.Fit) *report.Scalability {
	span := func(i capacity.Interval) report.Range {
		return report.Range{Value: i.Value, Low: i.Low, High: i.High}
	}
	out := &report.Scalability{Lambda: f.Lambda, Sigma: span(f.SigmaRange), Kappa: span(f.KappaRange), Identified: f.Identified, Reason: f.Why}
	if f.Identified {
		for _, p := range f.Predictions {
			out.Predictions = append(out.Predictions, report.Prediction{Replicas: p.N, QPS: span(p.Interval)})
		}
	}
	return out
}
