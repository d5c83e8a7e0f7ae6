package session

import (
	"context"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Turns is what the open-loop turns of one arm in one round add up to. Arms take turns that
// are much shorter than a round, so that what the machine does for seconds affects all of
// them, and what it does for milliseconds affects few turns.
type Turns struct {
	Results     []*load.Result
	CPUSeconds  float64 // of the arm's node
	Switches    uint64  // of its threads; 0: not known
	MemoryBytes uint64  // after the last turn
	Machine     []readings.Reading
}

// Take attacks an arm for one turn, and reads its node by usage before and after. Observers
// are told of rounds and not of turns (Workers.Run, not Attack): a turn is over before its
// first full second, so that there is no progress to show, and readings of all nodes would
// cost more than the turn.
func (t *Turns) Take(ctx context.Context, workers *load.Workers, a load.Attack, usage func(context.Context) (lab.Usage, error)) error {
	before, err := usage(ctx)
	if err != nil {
		return err
	}
	first := readings.ReadMachineOnly()
	res, err := workers.Run(ctx, a, nil)
	if err != nil {
		return err //nolint:wrapcheck // it names the attack
	}
	after, err := usage(ctx)
	if err != nil {
		return err
	}
	t.Results = append(t.Results, res)
	t.CPUSeconds += after.CPUSeconds - before.CPUSeconds
	t.MemoryBytes = after.MemoryBytes
	if after.Switches > before.Switches { // threads that ended take theirs with them
		t.Switches += after.Switches - before.Switches
	}
	t.Machine = append(t.Machine, first, readings.ReadMachineOnly())
	return nil
}

// Quantile is the median of the turns' corrected latencies in ms, so that what the machine
// does for a moment spoils a turn and not the round; false where there is no turn.
func (t *Turns) Quantile(q float64) (ms float64, ok bool) {
	var values []float64
	for _, r := range t.Results {
		values = append(values, assess.InMS(r.Corrected.Quantile(q)))
	}
	return stats.Median(values), len(values) > 0
}

// Rest waits until garbage collection and closing connections of one arm are over, before
// the next one is measured.
func Rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
