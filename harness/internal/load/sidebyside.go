package load

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// maxSkew is how far apart workers that attack together may begin.
const maxSkew = time.Second

// MergeWorkers joins what several workers saw of one attack that they made side
// by side. Rates, connections and what is in flight add up; percentiles are
// those of all requests. The window is the longest of theirs, from the first
// one's beginning.
//
// Of the workers' own limits the worst is kept: PeakWorkers and WorkerCap are
// those of the one that came closest to its cap. Seconds have no P50 and P99,
// for those of parts cannot be put together.
func MergeWorkers(workers []*Result) (*Result, error) {
	if len(workers) == 0 {
		return nil, errors.New("merge: no workers")
	}
	out := empty(workers[0])
	out.Attack.Rate = 0
	out.Attack.Connections = 0
	out.WorkerCores = 0
	for _, w := range workers {
		if w.Attack.Model != out.Attack.Model {
			return nil, errors.New("merge: " + out.Attack.Model + " and " + w.Attack.Model + " attacks do not mix")
		}
		if skew := w.Began.Sub(workers[0].Began); skew.Abs() > maxSkew {
			return nil, errors.New("merge: a worker began " + skew.Abs().String() + " apart; they must have run side by side")
		}
		if w.Began.Before(out.Began) {
			out.Began = w.Began
		}
	}
	var longest time.Duration
	for _, w := range workers {
		longest = max(longest, w.Window())
		out.beside(w)
	}
	out.Ended = out.Began.Add(longest)
	slices.SortStableFunc(out.Probes, func(a, b Probe) int { return cmp.Compare(a.Offset, b.Offset) })
	return out, nil
}

// beside adds a worker's part.
func (out *Result) beside(w *Result) {
	out.tally(w)
	out.Attack.Rate += w.Attack.Rate
	out.Attack.Connections += w.Attack.Connections
	out.WorkerCores += w.WorkerCores
	out.InFlight += w.InFlight
	out.MaxInFlight += w.MaxInFlight
	if w.PeakWorkers*max(out.WorkerCap, 1) >= out.PeakWorkers*max(w.WorkerCap, 1) {
		out.PeakWorkers, out.WorkerCap = w.PeakWorkers, w.WorkerCap
	}
	out.FDLimit = min(out.FDLimit, w.FDLimit)
	if w.TimeWait != nil {
		n := *w.TimeWait
		if out.TimeWait != nil {
			n += *out.TimeWait
		}
		out.TimeWait = &n
	}
	for _, s := range w.Series {
		for len(out.Series) <= s.Offset {
			out.Series = append(out.Series, Second{Offset: len(out.Series)})
		}
		sum := &out.Series[s.Offset]
		sum.Add(s.Counts)
		sum.Hits += s.Hits
	}
	out.Probes = append(out.Probes, w.Probes...)
	out.Mismatches = append(out.Mismatches, w.Mismatches...)
	out.Mismatches = out.Mismatches[:min(len(out.Mismatches), MaxMismatches)]
}
