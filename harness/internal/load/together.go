package load

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// Portion is what came of one worker's part of an attack.
type Portion struct {
	Name   string
	Clock  Clock         // before the attack
	Drift  time.Duration // of the clock, until after it
	Result *Result       // with times by the worker's clock; nil: it was lost
	Lost   error         // why; nil: it was not
}

// maxSkew is how far apart workers that attack together may begin, by one clock.
const maxSkew = time.Second

// MergeWorkers joins what several workers saw of one attack that they made together: whole is the attack that they had parts of. Rates,
// connections and what is in flight add up; percentiles, also those of a second, are those of all requests, since histograms are added and
// percentiles never. Times are by this process's clock.
//
// Of the workers' own limits the worst is kept: PeakWorkers and WorkerCap are those of the one that came closest to its cap. Workers of one
// machine have no more cores than it.
//
// A worker that was lost is in Workers, with the reason, and nowhere else.
func MergeWorkers(whole Attack, all []Portion) (*Result, error) {
	var parts []*Result
	var lost []error
	var workers []WorkerPart
	for _, p := range all {
		workers = append(workers, p.part())
		if p.Lost != nil || p.Result == nil {
			lost = append(lost, fmt.Errorf("%s: %w", p.Name, cmp.Or(p.Lost, errLost)))
			continue
		}
		own := *p.Result // times are changed in a copy
		own.Began, own.Ended = own.Began.Add(-p.Clock.Ahead), own.Ended.Add(-p.Clock.Ahead)
		parts = append(parts, &own)
	}
	if len(parts) == 0 {
		return nil, errors.Join(append(lost, errors.New("merge: no workers"))...)
	}
	out, err := mergeParts(whole, parts)
	if err != nil {
		return nil, err
	}
	out.Workers = workers
	return out, nil
}

var errLost = errors.New("there is no result of it")

// part is what the result says of a worker.
func (p *Portion) part() WorkerPart {
	out := WorkerPart{Name: p.Name, Ahead: p.Clock.Ahead, Uncertain: p.Clock.Uncertain, Drift: p.Drift}
	if p.Lost != nil || p.Result == nil {
		out.Lost = cmp.Or(p.Lost, errLost).Error()
		return out
	}
	r := p.Result
	out.Counts, out.Unsent = r.Counts, r.Unsent
	out.Late = r.Late
	out.CPUSeconds, out.Cores = r.WorkerCPUSeconds, r.WorkerCores
	return out
}

func mergeParts(whole Attack, parts []*Result) (*Result, error) {
	out := empty(parts[0])
	out.Attack = whole
	for _, w := range parts {
		if w.Attack.Model != whole.Model {
			return nil, errors.New("merge: " + whole.Model + " and " + w.Attack.Model + " attacks do not mix")
		}
		if skew := w.Began.Sub(parts[0].Began); skew.Abs() > maxSkew {
			return nil, errors.New("merge: a worker began " + skew.Abs().String() + " apart; they must have run side by side")
		}
		if w.Began.Before(out.Began) {
			out.Began = w.Began
		}
	}
	var longest time.Duration
	for _, w := range parts {
		longest = max(longest, w.Window())
		out.beside(w)
	}
	out.Ended = out.Began.Add(longest)
	out.WorkerCores = coresOf(parts)
	out.TimeWait = timeWaitOf(parts)
	settleSeries(out.Series)
	slices.SortStableFunc(out.Probes, func(a, b Probe) int { return cmp.Compare(a.Offset, b.Offset) })
	slices.SortStableFunc(out.Raw, func(a, b Raw) int { return cmp.Compare(a.Sent+a.Service, b.Sent+b.Service) })
	slices.SortStableFunc(out.Mismatches, func(a, b Mismatch) int { return cmp.Compare(a.Offset, b.Offset) })
	out.Mismatches = out.Mismatches[:min(len(out.Mismatches), MaxMismatches)]
	return out, nil
}

// beside adds a worker's part.
func (out *Result) beside(w *Result) {
	out.tally(w)
	out.InFlight += w.InFlight
	out.MaxInFlight += w.MaxInFlight
	if w.PeakWorkers*max(out.WorkerCap, 1) >= out.PeakWorkers*max(w.WorkerCap, 1) {
		out.PeakWorkers, out.WorkerCap = w.PeakWorkers, w.WorkerCap
	}
	out.FDLimit = min(out.FDLimit, w.FDLimit)
	out.Late = max(out.Late, w.Late)
	out.Series = mergeSeries(out.Series, w.Series)
	after := w.Began.Sub(out.Began) // by a rounding error at most, where all kept to one time
	for _, p := range w.Probes {
		p.Offset += after
		out.Probes = append(out.Probes, p)
	}
	for _, one := range w.Raw {
		one.Sent += after
		out.Raw = append(out.Raw, one)
	}
	for _, m := range w.Mismatches {
		m.Offset += after
		out.Mismatches = append(out.Mismatches, m)
	}
}

// coresOf is how many cores the workers may use together: those that may run on the same ones share them.
func coresOf(parts []*Result) float64 {
	used := map[Place]float64{}
	var all float64
	for _, w := range parts {
		if w.Place.Machine == "" || w.Place.Count == 0 {
			all += w.WorkerCores
			continue
		}
		at := w.Place
		at.Network = ""
		used[at] += w.WorkerCores
	}
	for at, cores := range used {
		all += min(cores, float64(at.Count))
	}
	return all
}

// timeWaitOf is how many sockets are in TIME-WAIT in all networks of the workers; nil where none of them tells.
func timeWaitOf(parts []*Result) *int {
	var all *int
	seen := map[string]bool{}
	for _, w := range parts {
		network := w.Place.Machine + w.Place.Network
		if w.TimeWait == nil || seen[network] {
			continue
		}
		seen[network] = network != ""
		if all == nil {
			all = new(int)
		}
		*all += *w.TimeWait
	}
	return all
}

// mergeSeries adds seconds to the same seconds of a series, which is in order, and without gaps.
func mergeSeries(into, from []Second) []Second {
	for _, s := range from {
		if len(into) == 0 {
			into = append(into, Second{Offset: s.Offset})
		}
		for first := into[0].Offset; s.Offset < first; first = into[0].Offset {
			into = slices.Insert(into, 0, Second{Offset: first - 1})
		}
		for last := into[len(into)-1].Offset; s.Offset > last; last++ {
			into = append(into, Second{Offset: last + 1})
		}
		one := &into[s.Offset-into[0].Offset]
		one.Add(s.Counts)
		one.Hits += s.Hits
		one.Latency = addCoarse(one.Latency, s.Latency)
	}
	return into
}

// addCoarse is a distribution with another one added; the first may be nil, and is changed.
func addCoarse(into, from *measure.Coarse) *measure.Coarse {
	if from == nil {
		return into
	}
	if into == nil {
		into = &measure.Coarse{}
	}
	into.Add(from)
	return into
}

// settleSeries makes the seconds' percentiles of their distributions, which are not needed any more then. Without them there are none:
// those of parts cannot be put together.
func settleSeries(series []Second) {
	for i := range series {
		if l := series[i].Latency; l != nil {
			series[i].P50, series[i].P99 = l.Quantile(0.5), l.Quantile(0.99)
			series[i].Latency = nil
		}
	}
}
