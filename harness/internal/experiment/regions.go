package experiment

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// region is one of several regions, and what was seen of it.
type region struct {
	name     string
	balancer string
	gateways []string
	nodes    []string
	load     *load.Result // of the region's own clients

	mu      sync.Mutex
	visible []seen // changes that the first region acknowledged
}

// seen is one followed change: when it was acknowledged, and how long it took to be served by every replica of a region.
type seen struct {
	acked time.Time
	took  time.Duration
}

func regionsOf(st *scenario.Stage) []*region {
	t := stage.Topology(st)
	var out []*region
	for i, r := range t.Regions {
		out = append(out, &region{name: r.Name, balancer: topology.NameOf(topology.RoleBalancer, i+1), gateways: t.Gateways(i),
			nodes: t.RegionNodes("region-" + r.Name)})
	}
	return out
}

// regionLoads are the loads of all regions but the first, whose load is the attack itself: the same, on their own balancers.
func (x *experiment) regionLoads(a load.Attack) []session.Task {
	var out []session.Task
	for i, r := range x.regions {
		if i == 0 {
			continue
		}
		own := a
		own.Beside = a.ID
		own.ID += "-" + r.name
		own.Target = x.session.URL(r.balancer, topology.PortBalancer)
		own.Seed += uint64(i) //nolint:gosec // regions are few
		own.Warmup = 0        // the first region's is over when the tasks begin
		out = append(out, func(ctx context.Context) (err error) {
			if r.load, err = x.session.Workers.Run(ctx, own, func(load.Progress) {}); err != nil {
				return fmt.Errorf("load of region %s: %w", r.name, err)
			}
			return nil
		})
	}
	return out
}

// tells says whether changes that a gateway acknowledged are followed. With regions only those of the first one, which has the database,
// tell how long the way to the others is.
func (w *writer) tells(gateway string) bool {
	return len(w.regions) == 0 || slices.Contains(w.regions[0].gateways, gateway)
}

// followRegions waits until the replicas of each region serve what was acknowledged.
func (w *writer) followRegions(ctx context.Context, one *write, acked time.Time) {
	ctx, cancel := context.WithTimeout(ctx, followWithin)
	defer cancel()
	node, ok := w.lab.Node(one.node)
	if !ok {
		return
	}
	want, err := sut.NewestRevision(ctx, sut.Admin(node))
	if err != nil {
		return // the replica died meanwhile: nothing is known
	}
	var all sync.WaitGroup
	for _, r := range w.regions {
		all.Go(func() {
			if w.served(ctx, r.gateways, want) {
				r.add(seen{acked, time.Since(acked)})
			}
		})
	}
	all.Wait()
}

// served waits until every one of the gateways that answers serves a revision. It is false where none answers, and at ctx's end.
func (w *writer) served(ctx context.Context, gateways []string, want int64) bool {
	answered := false
	for _, name := range gateways {
		n, ok := w.lab.Node(name)
		for wait := firstLook; ok; wait = min(wait*5/4, longLook) { // so that a time is known to within a quarter
			got, err := sut.ServedRevision(ctx, w.client, n)
			if err != nil {
				break // a dead replica serves nothing
			}
			if got >= want {
				answered = true
				break
			}
			select {
			case <-ctx.Done():
				return false
			case <-time.After(wait):
			}
		}
	}
	return answered && ctx.Err() == nil
}

func (r *region) add(s seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.visible = append(r.visible, s)
}

// regionFigures are what the regions met, each for itself, and what they admitted together. The load is over.
func (x *experiment) regionFigures(out *result.Experiment) ([]result.Region, *result.LimitTogether) {
	var all []result.Region
	for _, r := range x.regions {
		one := result.Region{Name: r.name, Nodes: r.nodes}
		if r.load != nil {
			one.Requests, one.Failed = r.load.Requests, r.load.Failed
			one.Errors = r.load.Errors
		}
		if x.writes != nil {
			one.Writes, one.FaultyWrites = x.writesOf(r.gateways)
		}
		one.Visible, one.LateVisible = x.followed(r)
		one.CaughtUpMS = x.caughtUp(r)
		all = append(all, one)
	}
	if len(x.regions) == 0 || out.Limit == nil {
		return all, nil
	}
	return all, x.together()
}

// followed is how long changes took that were acknowledged before the first fault, and from then on.
func (x *experiment) followed(r *region) (before, after result.Followed) {
	var early, late []time.Duration
	for _, s := range r.visible {
		if slices.ContainsFunc(x.events, func(e fault.Event) bool { return !e.InjectedAt.IsZero() && !s.acked.Before(e.InjectedAt) }) {
			late = append(late, s.took)
		} else {
			early = append(early, s.took)
		}
	}
	sum := func(took []time.Duration) result.Followed {
		out := result.Followed{Changes: uint64(len(took))}
		if slices.Sort(took); len(took) > 0 {
			out.P50MS = new(assess.InMS(took[len(took)/2]))
			out.MaxMS = new(assess.InMS(took[len(took)-1]))
		}
		return out
	}
	return sum(early), sum(late)
}

// writesOf counts the writes to gateways, all and those that were sent while a fault was at work.
func (x *experiment) writesOf(gateways []string) (all, faulty result.WriteCount) {
	for _, one := range x.writes.sent {
		if !slices.Contains(gateways, one.node) {
			continue
		}
		counts := []*result.WriteCount{&all}
		if x.broken(one.at) {
			counts = append(counts, &faulty)
		}
		for _, c := range counts {
			c.Sent++
			if one.acked {
				c.Acknowledged++
			}
		}
	}
	return all, faulty
}

// broken says whether a fault was at work at a time.
func (x *experiment) broken(at time.Time) bool {
	for _, e := range x.events {
		if !e.InjectedAt.IsZero() && !at.Before(e.InjectedAt) && (e.RecoveredAt.IsZero() || at.Before(e.RecoveredAt)) {
			return true
		}
	}
	return false
}

// caughtUp is from the beginning of the last recovery until a region served a change that was made after it, in ms; nil if none was seen.
func (x *experiment) caughtUp(r *region) *float64 {
	var from time.Time
	for _, e := range x.events {
		if e.RecoverAt.After(from) {
			from = e.RecoverAt
		}
	}
	var out *float64
	for _, s := range r.visible {
		since := assess.InMS(s.acked.Add(s.took).Sub(from))
		if !from.IsZero() && !s.acked.Before(from) && (out == nil || since < *out) {
			out = &since
		}
	}
	return out
}

// together adds up what the regions admitted in each window. nil where the load of one of them is not known.
func (x *experiment) together() *result.LimitTogether {
	e := x.stage.Expect.Limit
	out := &result.LimitTogether{Permits: e.Permits}
	sum := map[int64]result.LimitWindow{} // by the window's number since 1970
	count := map[int64]int{}
	for _, r := range x.regions {
		if r.load == nil {
			return nil
		}
		for _, w := range windowsOf(r.load, e.Window, uint64(e.Permits), x.events).Windows { //nolint:gosec // checked when read
			at := r.load.Began.Add(time.Duration(w.OffsetS*float64(time.Second))+e.Window/2).UnixNano() / int64(e.Window)
			s := sum[at]
			s.Admitted, s.Certain = s.Admitted+w.Admitted, s.Certain+w.Certain
			s.Faulty = s.Faulty || w.Faulty
			sum[at] = s
			count[at]++
		}
	}
	var admitted uint64
	for at, s := range sum {
		if count[at] != len(x.regions) {
			continue // the loads did not begin at one moment
		}
		out.Fullest = max(out.Fullest, s.Certain)
		if s.Faulty {
			out.Faulty.Windows++
			out.Faulty.Admitted += s.Admitted
			continue
		}
		out.Windows++
		admitted += s.Admitted
	}
	out.Faulty.Allowed = uint64(out.Faulty.Windows * e.Permits) //nolint:gosec // not negative
	out.Faulty.Share = float64(out.Faulty.Admitted) / float64(max(out.Faulty.Allowed, 1))
	if out.Windows > 0 {
		out.Share = float64(admitted) / float64(out.Windows*e.Permits)
	}
	return out
}

// judgeRegions expects that a region on which no fault was done served all its clients, and that each region held the limit by itself.
func (x *experiment) judgeRegions(out *result.Experiment, expect expectFunc) {
	for i, r := range x.regions {
		if x.touched(r) {
			continue
		}
		var probes uint64
		for _, e := range out.Entries {
			if e.Name == r.balancer && !e.Information {
				probes += e.Failed
			}
		}
		expect("requests and probes failed in region "+r.name+", on which no fault was done", "0",
			fmt.Sprint(out.Regions[i].Failed+probes), out.Regions[i].Failed+probes == 0 && r.load != nil)
	}
	if t := out.Together; t != nil {
		most := len(x.regions) * t.Permits
		expect("admitted by all regions together in the fullest window", fmt.Sprintf("at most %d (%d regions)", most, len(x.regions)),
			fmt.Sprint(t.Fullest), t.Windows > 0 && t.Fullest <= uint64(most)) //nolint:gosec // not negative
	}
}

// touched says whether a fault was done to a region, or to a node of it. A fault of the link between regions is done to none.
func (x *experiment) touched(r *region) bool {
	return slices.ContainsFunc(x.stage.Schedule(), func(one scenario.Injection) bool {
		return one.Target == "region-"+r.name || slices.Contains(r.nodes, one.Target) && !slices.Contains(fault.LinkKinds(), one.Kind)
	})
}
