package stage

import (
	"context"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// The trial from which the capacity for an open loop follows: a part of the closed loop's rate, for a few seconds.
const (
	trialShare  = 0.25
	trialWarmup = time.Second
	trialTime   = 4 * time.Second
)

// OpenCapacity estimates which rate of an open loop the lab carries, in requests per second, by a trial at a quarter of the closed loop's
// rate. The closed loop's rate is higher than that: with every connection waiting, each wake-up of a process serves many requests, and
// where system calls are expensive a lone request costs more than twice as much. The use of the machine's cores in the trial says at which
// rate they would be full. A lab whose closed loop is limited by something else than the cores carries the closed loop's rate.
func OpenCapacity(ctx context.Context, s *session.Session, st *scenario.Stage, closed float64) (float64, error) {
	if closed*trialShare < 1 {
		return closed, nil
	}
	t := Workload(s, st, load.Open, 1)
	t.ID, t.Rate = t.ID+"-trial", trialShare*closed
	t.Warmup, t.Duration = trialWarmup, trialTime
	trial, err := s.Attack(ctx, st.Name, t)
	if err != nil {
		return 0, err
	}
	qps := saturation(closed, t.Rate, trial.Readings)
	s.Step("%s: carries about %.0f requests/s of an open loop, by the cores' use at %.0f", st.Name, qps, t.Rate)
	return qps, nil
}

// saturation is the rate at which the machine's cores would be full, by their use at a rate; at most the closed loop's, which it also is if
// nothing is known.
func saturation(closed, rate float64, all []readings.Reading) float64 {
	if len(all) < 2 {
		return closed
	}
	busy := all[0].Busy(all[len(all)-1].Machine)
	if busy == nil || *busy <= 0 {
		return closed
	}
	return min(closed, rate / *busy)
}
