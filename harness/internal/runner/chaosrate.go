package runner

import (
	"context"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

// The trial from which an experiment's rate follows: an open loop at a part of
// the closed loop's rate.
const (
	trialShare = 0.25
	trialTime  = 4 * time.Second
)

// carries finds what the lab carries of an open loop, in requests a second. A
// closed loop's rate is more than that: with every connection waiting, each
// wake-up of a process serves many requests, and where system calls are dear a
// lone request costs more than twice as much. So a quarter of that rate is offered, and
// what the cores are busy with then says where they would be full.
func (r *run) carries(ctx context.Context, s *scenario.Stage) (closed *attacked, qps float64, err error) {
	c := s.Load.Closed
	a := r.attack(s, load.Closed, 1)
	a.Connections, a.Warmup, a.Duration, a.Timeout = c.Connections, c.Warmup, c.Duration, c.Timeout
	if closed, err = r.run(ctx, s, a, nil); err != nil {
		return nil, 0, err
	}
	closed.round = 1
	most := closed.result.QPS()
	if most*trialShare < 1 {
		return closed, most, nil
	}
	o := s.Load.Open
	t := r.attack(s, load.Open, 1)
	t.ID += "-trial"
	t.Rate, t.Connections, t.Timeout, t.Warmup, t.Duration = trialShare*most, o.Connections, o.Timeout, time.Second, trialTime
	trial, err := r.run(ctx, s, t, nil)
	if err != nil {
		return nil, 0, err
	}
	qps = carried(most, t.Rate, trial.readings)
	r.Console.Step("%s: carries about %.0f requests/s of an open loop, by the cores' use at %.0f", s.Name, qps, t.Rate)
	return closed, qps, nil
}

// carried is the rate at which the machine's cores would be full, by their use
// at rate; never more than the closed loop's, and that where nothing is known.
func carried(closed, rate float64, readings []reading) float64 {
	if len(readings) < 2 {
		return closed
	}
	share := readings[0].cpu.until(readings[len(readings)-1].cpu)
	if share.busy == nil || *share.busy <= 0 {
		return closed
	}
	return min(closed, rate / *share.busy)
}
