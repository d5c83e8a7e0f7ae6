package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Worker is one worker, by the name of its node. Where it runs is of no importance: on this machine or on another.
type Worker struct {
	Name string
	*Client
}

// Workers send load together. Each has a part of every attack; all begin at one time, and what they saw is merged.
type Workers struct{ all []Worker }

// NewWorkers are the workers of a lab, at least one. The first one sends the probes.
func NewWorkers(all ...Worker) *Workers { return &Workers{all: all} }

// Len is the number of workers.
func (w *Workers) Len() int { return len(w.all) }

// Close ends the idle connections to the workers.
func (w *Workers) Close() {
	for _, one := range w.all {
		one.Close()
	}
}

// Run runs an attack and waits for its result, as Client.Run does. Probes are sent by one worker, as their rate is low. A closed attack,
// and one that is limited to a number of connections, has no more workers than connections.
//
// An attack that a worker does not take is given up by all. A worker that is lost later costs its part of the attack: the result is that of
// the others, and says in Workers why it must not be used. If all are lost there is no result.
func (w *Workers) Run(ctx context.Context, a Attack, onProgress func(Progress)) (*Result, error) {
	if onProgress == nil {
		onProgress = func(Progress) {}
	}
	n := len(w.all)
	switch {
	case n == 0:
		return nil, errors.New("load: there is no worker")
	case a.Model == Probes:
		n = 1
	case a.Connections > 0:
		n = min(n, a.Connections)
	}
	if n == 1 {
		return w.all[0].Run(ctx, a, onProgress)
	}
	t := &together{
		workers: w.all[:n], attack: a, tell: onProgress, portions: make([]Portion, n), last: make([]Progress, n), fresh: make([]bool, n),
	}
	return t.run(ctx)
}

// together is an attack that several workers make.
type together struct {
	workers  []Worker
	attack   Attack
	tell     func(Progress)
	portions []Portion

	mu    sync.Mutex // guards what follows, and calls of tell
	last  []Progress
	fresh []bool // since the last call of tell
}

func (t *together) run(ctx context.Context) (*Result, error) {
	if err := t.readClocks(ctx); err != nil {
		return nil, err
	}
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	for i := range t.workers {
		group.Go(func() { t.follow(ctx, i) })
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t.compareClocks(ctx)
	return MergeWorkers(t.attack, t.portions)
}

// each does something for all workers at the same time, and names the first one with which it failed. What is done for the others is not
// broken off: a worker that was asked to begin may have begun.
func (t *together) each(do func(i int) error) error {
	var group errgroup.Group
	for i, w := range t.workers {
		group.Go(func() error {
			if err := do(i); err != nil {
				return fmt.Errorf("%s: %w", w.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (t *together) readClocks(ctx context.Context) error {
	return t.each(func(i int) (err error) {
		t.portions[i].Name = t.workers[i].Name
		t.portions[i].Clock, err = t.workers[i].Clock(ctx)
		return err
	})
}

// The attack begins when every worker should have it: after leadTrips round trips of the farthest one.
const (
	leadTrips = 8
	leadLeast = 50 * time.Millisecond
	leadMost  = 2 * time.Second
)

// start hands every worker its part, to begin at one time, which each is told by its own clock. If one does not take it, the others are
// stopped, as a rule before they begin.
func (t *together) start(ctx context.Context) error {
	var farthest time.Duration
	for i := range t.portions {
		farthest = max(farthest, 2*t.portions[i].Clock.Uncertain)
	}
	begin := time.Now().Add(min(max(leadTrips*farthest, leadLeast), leadMost))
	refused := make([]bool, len(t.workers))
	err := t.each(func(i int) (err error) {
		a := t.attack
		a.Part = &Part{Worker: i, Of: len(t.workers)}
		at := begin.Add(t.portions[i].Clock.Ahead).Round(0)
		a.Begin = &at
		t.last[i], err = t.workers[i].Start(ctx, a)
		var answer *WorkerError
		refused[i] = errors.As(err, &answer)
		return err
	})
	if err == nil {
		return nil
	}
	var group sync.WaitGroup
	for i, w := range t.workers {
		id := cmp.Or(t.last[i].ID, t.attack.ID)
		if id == "" || refused[i] { // one that did not answer may have begun all the same
			continue
		}
		group.Go(func() { w.abandon(ctx, id) })
	}
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// follow waits for one worker's end.
func (t *together) follow(ctx context.Context, i int) {
	p := &t.portions[i]
	p.Result, p.Lost = t.workers[i].follow(ctx, t.last[i], func(now Progress) { t.progress(i, now) })
	if p.Lost == nil || ctx.Err() != nil {
		return
	}
	t.mu.Lock()
	last := t.last[i]
	t.mu.Unlock()
	p.Lost = fmt.Errorf("lost after %.1f of %.1f s: %w", last.Elapsed.Seconds(), last.Total.Seconds(), p.Lost)
	last.State = Aborted // nobody waits for it
	t.progress(i, last)
}

// progress takes over one worker's state. The attack's is told when every worker has told its own since, so that one second of each is
// added to the same second of the others, and when the last one is over. A worker that is silent is waited for no longer than it may be.
func (t *together) progress(i int, now Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	again := t.fresh[i]
	t.last[i], t.fresh[i] = now, true
	for j := range t.fresh {
		if !again && !t.fresh[j] && !t.last[j].Ended() {
			return
		}
	}
	clear(t.fresh)
	t.tell(mergeProgress(t.last))
}

// compareClocks reads the clocks again: one that was set meanwhile, or runs at another speed, has moved against ours.
func (t *together) compareClocks(ctx context.Context) {
	var group sync.WaitGroup
	for i := range t.portions {
		p := &t.portions[i]
		if p.Lost != nil {
			continue
		}
		group.Go(func() {
			now, err := t.workers[i].Clock(ctx)
			if err != nil {
				p.Lost = fmt.Errorf("lost at the end: %w", err)
				return
			}
			p.Drift = now.Ahead - p.Clock.Ahead
		})
	}
	group.Wait()
}

// order of states, the least advanced first.
var order = map[string]int{Warming: 0, Running: 1, Draining: 2, Done: 3, Aborted: 4}

// mergeProgress is the state of an attack by those of its workers: of the states the least advanced one; counts and rates are sums, and
// percentiles those of all requests.
func mergeProgress(all []Progress) Progress {
	out := all[0]
	out.Counts, out.Errors = Counts{}, map[string]uint64{}
	out.QPS = 0
	out.Latest, out.Series = nil, []Second{}
	for _, p := range all {
		if order[p.State] < order[out.State] {
			out.State = p.State
		}
		out.Elapsed = min(out.Elapsed, p.Elapsed)
		out.Add(p.Counts)
		sum(out.Errors, p.Errors)
		out.QPS += p.QPS
		out.Latest = addCoarse(out.Latest, p.Latest)
		out.Series = mergeSeries(out.Series, p.Series)
	}
	out.P50, out.P99 = 0, 0
	if out.Latest != nil {
		out.P50, out.P99 = out.Latest.Quantile(0.5), out.Latest.Quantile(0.99)
	}
	settleSeries(out.Series)
	out.Latest = nil
	return out
}
