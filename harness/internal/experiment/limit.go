package experiment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// limitRounds is how often the request with a limit and that without one are compared, in pairs. Odd pairs have the other order.
const limitRounds = 3

// limitMargin is how long after the load's beginning the first window may begin that is judged: requests sent before it are not known.
const limitMargin = 250 * time.Millisecond

// compareLimited measures the gateways' CPU time per request without a limit, and with one that is not reached, both with the stage's
// closed loop.
func (x *experiment) compareLimited(ctx context.Context) error {
	e := x.stage.Expect.Limit
	if e.CPUMax == 0 {
		return nil
	}
	var free, counted []float64
	for round := range limitRounds {
		names := []string{e.Free, e.Counted}
		if round%2 == 1 {
			slices.Reverse(names)
		}
		for _, name := range names {
			cost, err := x.costOf(ctx, name, round+1)
			if err != nil {
				return err
			}
			if name == e.Free {
				free = append(free, cost)
			} else {
				counted = append(counted, cost)
			}
		}
	}
	ratios := make([]float64, limitRounds)
	for i := range ratios {
		ratios[i] = counted[i] / free[i]
	}
	x.cpu = &limitCost{free: middle(free), counted: middle(counted), ratio: middle(ratios)}
	return nil
}

// limitCost is the gateways' CPU time per request: medians of the rounds, and that of the ratios.
type limitCost struct{ free, counted, ratio float64 }

func middle(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

// costOf is the gateways' CPU time per request, in microseconds, of one kind of request.
func (x *experiment) costOf(ctx context.Context, name string, round int) (float64, error) {
	a := stage.Workload(x.session, x.stage, load.Closed, round)
	a.ID += "-" + name
	a.Requests = slices.DeleteFunc(a.Requests, func(q load.Request) bool { return q.Name != name })
	got, err := x.session.Attack(ctx, x.stage.Name, a)
	if err != nil {
		return 0, err
	}
	cpu, known := readings.CPUByRole(readings.Spent(got.Readings))[topology.RoleGateway]
	if !known || got.Counted.Requests == 0 || got.Result.Failed*100 > got.Result.Requests {
		return 0, fmt.Errorf("request %s: %d of %d failed, the gateways' CPU time known: %t", name, got.Result.Failed, got.Result.Requests, known)
	}
	return cpu / float64(got.Counted.Requests) * 1e6, nil
}

// watchCommands counts the scripts that Redis runs from the load's beginning; the result is read with commands.
func (x *experiment) watchCommands(ctx context.Context) error {
	n, err := x.scripts(ctx)
	if err != nil {
		return fmt.Errorf("count commands: %w", err)
	}
	x.commands = n
	return nil
}

// scripts is how many scripts clients have had Redis run. Commands within scripts are not counted: they cost no round trip.
func (x *experiment) scripts(ctx context.Context) (int64, error) {
	node, ok := x.session.Lab.Node(topology.RoleRedis)
	if !ok {
		return 0, fmt.Errorf("the lab has no %s", topology.RoleRedis)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	rdb := redis.NewClient(&redis.Options{Addr: node.HostAddr(topology.PortRedis), DialTimeout: 2 * time.Second})
	defer rdb.Close()
	info, err := rdb.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	return scriptCalls(info)
}

// scriptCalls reads how often scripts were run in INFO's section commandstats.
func scriptCalls(info string) (total int64, err error) {
	for line := range strings.Lines(info) {
		name, rest, _ := strings.Cut(line, ":calls=")
		switch name {
		case "cmdstat_eval", "cmdstat_evalsha", "cmdstat_fcall":
			var n int64
			if _, err := fmt.Sscan(strings.Split(rest, ",")[0], &n); err != nil {
				return 0, fmt.Errorf("%q: %w", line, err)
			}
			total += n
		}
	}
	return total, nil
}

// limitFigures are what the limit admitted in each window; nil where the scenario asks for none.
func (x *experiment) limitFigures(ctx context.Context, a *assess.Recording) *result.LimitHeld {
	e := x.stage.Expect.Limit
	if e.Permits == 0 {
		return nil
	}
	out := windowsOf(a.Result, e.Window, uint64(e.Permits), x.events) //nolint:gosec // checked when read
	if n, err := x.scripts(ctx); err == nil && n >= x.commands && a.Result.Requests > 0 {
		out.Commands = new(float64(n-x.commands) / float64(a.Result.Requests))
	}
	if c := x.cpu; c != nil {
		out.CPUFree, out.CPUCount = &c.free, &c.counted
		out.CPURatio = &c.ratio
	}
	return out
}

// windowsOf sorts a load's requests into the windows that lie in it as a whole. The limits' clock and the load generator's are the same
// machine's. A permit is granted while its request is under way: what began and ended in one window is certainly that window's.
func windowsOf(res *load.Result, window time.Duration, permits uint64, events []fault.Event) *result.LimitHeld {
	out := &result.LimitHeld{Permits: int(permits), WindowS: window.Seconds()} //nolint:gosec // a limit
	first := time.Unix(0, (res.Began.Add(limitMargin).UnixNano()/int64(window)+1)*int64(window))
	n := int(res.Began.Add(res.Attack.Duration).Sub(first) / window)
	if n < 1 {
		return out
	}
	out.Windows = make([]result.LimitWindow, n)
	for i := range out.Windows {
		at := first.Add(time.Duration(i) * window)
		out.Windows[i].OffsetS = at.Sub(res.Began).Seconds()
		out.Windows[i].Faulty = slices.ContainsFunc(events, func(e fault.Event) bool { return disturbs(e, at, at.Add(window)) })
	}
	for _, q := range res.Raw {
		since := res.Began.Add(q.Sent).Sub(first)
		i, last := floor(since, window), floor(since+q.Service, window)
		if i < 0 || i >= n {
			continue
		}
		w := &out.Windows[i]
		w.Asked++
		if !q.OK {
			continue
		}
		w.Admitted++
		if i == last {
			w.Certain++
		}
	}
	for i := range out.Windows {
		w := &out.Windows[i]
		w.Admitted = max(w.Certain, min(w.Admitted, permits))
		of, fullest := &out.Whole, &out.Fullest
		if w.Faulty {
			of, fullest = &out.Faulty, &out.Crowded
		}
		*fullest = max(*fullest, w.Certain)
		of.Windows++
		of.Allowed += permits
		of.Admitted += w.Admitted
		of.Share = float64(of.Admitted) / float64(of.Allowed)
	}
	return out
}

// floor is the number of a window, negative before the first.
func floor(since, window time.Duration) int {
	if since < 0 {
		return -1
	}
	return int(since / window)
}

// disturbs tells whether a fault was at work in a time, or within the second after its end: replicas look for a server that was away that
// often.
func disturbs(e fault.Event, from, to time.Time) bool {
	if e.InjectedAt.IsZero() {
		return false
	}
	end := e.RecoveredAt
	if end.IsZero() {
		return to.After(e.InjectedAt)
	}
	return to.After(e.InjectedAt) && from.Before(end.Add(time.Second))
}

// judgeLimit compares what was admitted with the limit.
func (x *experiment) judgeLimit(out *result.Experiment, expect expectFunc) {
	e, h := x.stage.Expect.Limit, out.Limit
	if h == nil {
		return
	}
	most := uint64(h.Permits) //nolint:gosec // a limit
	expect("admitted in the fullest window without a fault", fmt.Sprintf("at most %d", most), fmt.Sprint(h.Fullest),
		len(h.Windows) > 0 && h.Fullest <= most)
	most += uint64(e.AboveMax * float64(h.Permits))
	expect("admitted in the fullest window with a fault", fmt.Sprintf("at most %d", most), fmt.Sprint(h.Crowded),
		h.Faulty.Windows > 0 && h.Crowded <= most)
	for _, one := range []struct {
		what string
		min  float64
		held result.WindowsHeld
	}{{"without a fault", e.AdmittedMin, h.Whole}, {"with a fault", e.FaultMin, h.Faulty}} {
		if one.min > 0 {
			expect("share of the limit admitted in windows "+one.what, fmt.Sprintf("at least %g", one.min),
				fmt.Sprintf("%.4f of %d windows", one.held.Share, one.held.Windows), one.held.Windows > 0 && one.held.Share >= one.min)
		}
	}
	atMost := func(what string, most float64, saw *float64) {
		text := "unknown"
		if saw != nil {
			text = fmt.Sprintf("%.3f", *saw)
		}
		if most > 0 {
			expect(what, fmt.Sprintf("at most %g", most), text, saw != nil && *saw <= most)
		}
	}
	atMost("commands to Redis per request", e.CommandsMax, h.Commands)
	atMost("gateways' CPU time per request, with a limit and without", e.CPUMax, h.CPURatio)
}
