package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
)

// HashEvery: the hash of every n-th body is compared. All of them would cost the worker more CPU than the gateway spends on a request.
const HashEvery = 16

// Task is something that runs beside an attack, from the beginning of its measured window: probes, faults, writes. An error breaks the
// attack off. The task must return when ctx ends, and may outlast the load: Attack waits for it.
type Task func(ctx context.Context) error

// Attack carries out one attack of a stage, with a reading of all nodes every few seconds, and the tasks beside it. It returns when the
// load and all tasks are over.
func (s *Session) Attack(ctx context.Context, stage string, a load.Attack, beside ...Task) (*assess.Recording, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		begun   sync.Once
		tasks   sync.WaitGroup
		sampler *readings.Sampler
		counted load.Counts // when the sampler began
		heart   *readings.Heartbeat
	)
	defer tasks.Wait()
	begin := func(p load.Progress) {
		sampler, counted = readings.Sample(ctx, s.Lab, a.Duration), p.Counts
		heart = readings.BeginHeartbeat()
		for _, task := range beside {
			tasks.Go(func() {
				if err := task(ctx); err != nil && ctx.Err() == nil {
					cancel(err)
				}
			})
		}
	}
	res, err := s.Workers.Run(ctx, a, func(p load.Progress) {
		if p.State == load.Running || p.Ended() {
			begun.Do(func() { begin(p) })
		}
		s.observe(Event{Kind: Progress, Stage: stage, Attack: a, Progress: p})
	})
	out := &assess.Recording{Result: res}
	if sampler != nil {
		out.Pulse = heart.End()
		out.Readings = sampler.Stop(context.WithoutCancel(ctx), s.Lab)
	}
	if err != nil {
		cancel(err)
	}
	tasks.Wait()
	// The load may be over when a task fails, and without the task's part the attack is not whole.
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(err, cause) {
			return nil, err
		}
		return nil, errors.Join(err, cause)
	}
	s.restartLost(ctx, res)    // now that nothing else is sent
	out.Counted = load.Counts{ // of a worker that was lost, what it had sent was counted, and is in no result
		Requests:  res.Requests - min(counted.Requests, res.Requests),
		Successes: res.Successes - min(counted.Successes, res.Successes),
	}
	s.Step("%s %s: %s; CPU us per request: %s", stage, a.Model, summary(a, res), cpuSummary(out))
	return out, nil
}

// Send carries out an attack that is not measured: a warm-up, background traffic. Observers are told so.
func (s *Session) Send(ctx context.Context, stage string, a load.Attack) (*load.Result, error) {
	return s.Workers.Run(ctx, a, func(p load.Progress) {
		s.observe(Event{Kind: Progress, Stage: stage, Attack: a, Progress: p, Unmeasured: true})
	})
}

// summary is an attack that is over in one line.
func summary(a load.Attack, r *load.Result) string {
	line := fmt.Sprintf("%.0f QPS, errors %.2f%%", r.QPS(), 100*r.ErrorRate())
	if r.Limited > 0 {
		line += fmt.Sprintf(", limited %.2f%%", percent(r.Limited, r.Requests))
	}
	if a.Model != load.Open {
		return fmt.Sprintf("%d connections, ", a.Connections) + line
	}
	line = fmt.Sprintf("%.0f/s offered, ", a.MeanRate()) + line
	p := r.Corrected.Percentiles()
	if p.P50 != nil {
		line += fmt.Sprintf(", p50 %.1f ms", *p.P50)
	}
	if p.P99 != nil {
		line += fmt.Sprintf(", p99 %.1f ms", *p.P99)
	}
	return line
}

// cpuSummary is the CPU time per request, in microseconds: of all roles together, then of each, the largest first.
func cpuSummary(a *assess.Recording) string {
	byRole := map[string]float64{}
	var total float64
	for role, seconds := range readings.CPUByRole(readings.Spent(a.Readings)) {
		byRole[role] = seconds / float64(max(a.Counted.Requests, 1)) * 1e6
		total += byRole[role]
	}
	roles := slices.SortedFunc(maps.Keys(byRole), func(x, y string) int { return cmp.Compare(byRole[y], byRole[x]) })
	parts := []string{fmt.Sprintf("%.0f", total)}
	for _, role := range roles {
		if byRole[role] >= 0.5 {
			parts = append(parts, fmt.Sprintf("%s %.0f", role, byRole[role]))
		}
	}
	return strings.Join(parts, ", ")
}
