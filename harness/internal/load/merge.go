package load

import (
	"errors"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// Merge joins the rounds of one attack, which ran one after another; for
// workers side by side see MergeWorkers. Counts and histograms are summed, so
// that percentiles are those of all requests and never averages; the window is
// as long as all of them together, so that a rate is the mean over all; InFlight
// is weighted by time; of peaks the highest is taken. Series follow each other.
// The attack is the first round's.
func Merge(rounds []*Result) (*Result, error) {
	if len(rounds) == 0 {
		return nil, errors.New("merge: no rounds")
	}
	first := rounds[0]
	out := empty(first)
	for i, r := range rounds {
		if i > 0 && r.Began.Before(rounds[i-1].Ended) {
			return nil, errors.New("merge: the rounds overlap; they must have run one after another")
		}
		if r.Attack.Model != first.Attack.Model {
			return nil, errors.New("merge: " + first.Attack.Model + " and " + r.Attack.Model + " attacks do not mix")
		}
		out.join(r)
	}
	if w := out.Window(); w > 0 {
		out.InFlight /= w.Seconds()
	}
	return out, nil
}

// empty is a result of the same attack by the same worker, with nothing counted.
func empty(of *Result) *Result {
	return &Result{
		Attack: of.Attack, Began: of.Began,
		Status: map[int]uint64{}, Errors: map[string]uint64{}, CacheStatus: map[string]uint64{}, Nodes: map[string]uint64{},
		EdgeCache: map[string]uint64{},
		ByRequest: map[string]Counts{}, ByConsumer: map[string]Counts{}, Series: []Second{}, Mismatches: []Mismatch{},
		WorkerCores: of.WorkerCores, WorkerCap: of.WorkerCap, FDLimit: of.FDLimit, Place: of.Place,
	}
}

// join adds a round behind the others. InFlight is summed as requests x seconds
// here.
func (out *Result) join(r *Result) {
	before := out.Window()
	if out.Ended.IsZero() {
		before = 0
	}
	base := int((before + time.Second - 1) / time.Second)
	for _, s := range r.Series {
		s.Offset += base
		out.Series = append(out.Series, s)
	}
	for _, p := range r.Probes {
		p.Offset += before
		out.Probes = append(out.Probes, p)
	}
	for _, m := range r.Mismatches {
		if len(out.Mismatches) < MaxMismatches {
			m.Offset += before
			out.Mismatches = append(out.Mismatches, m)
		}
	}
	out.Ended = out.Began.Add(before + r.Window())
	out.tally(r)
	out.InFlight += r.InFlight * r.Window().Seconds()
	out.MaxInFlight = max(out.MaxInFlight, r.MaxInFlight)
	out.PeakWorkers = max(out.PeakWorkers, r.PeakWorkers)
	out.Workers = joinWorkers(out.Workers, r.Workers)
	if r.TimeWait != nil && (out.TimeWait == nil || *r.TimeWait > *out.TimeWait) {
		out.TimeWait = r.TimeWait
	}
}

// tally adds what is a sum however the parts ran.
func (out *Result) tally(r *Result) {
	out.Add(r.Counts)
	sum(out.Status, r.Status)
	sum(out.Errors, r.Errors)
	sum(out.CacheStatus, r.CacheStatus)
	sum(out.Nodes, r.Nodes)
	sum(out.EdgeCache, r.EdgeCache)
	sumCounts(out.ByRequest, r.ByRequest)
	sumCounts(out.ByConsumer, r.ByConsumer)
	for name, h := range r.LatencyByRequest {
		if out.LatencyByRequest == nil {
			out.LatencyByRequest = map[string]measure.Histogram{}
		}
		all := out.LatencyByRequest[name]
		all.Merge(h)
		out.LatencyByRequest[name] = all
	}
	for i, s := range r.Segments {
		if i == len(out.Segments) {
			out.Segments = append(out.Segments, SegmentResult{Segment: s.Segment})
		}
		sum := &out.Segments[i]
		sum.Add(s.Counts)
		sum.Unsent += s.Unsent
		sum.Corrected.Merge(s.Corrected)
	}
	out.Corrected.Merge(r.Corrected)
	out.Service.Merge(r.Service)
	out.Lag.Merge(r.Lag)
	out.ErrorLatency.Merge(r.ErrorLatency)
	out.FirstEvent.Merge(r.FirstEvent)
	out.Events += r.Events
	out.Hashed += r.Hashed
	out.ConnectionsOpened += r.ConnectionsOpened
	out.BytesIn += r.BytesIn
	out.Sent += r.Sent
	out.Unsent += r.Unsent
	out.WorkerCPUSeconds += r.WorkerCPUSeconds
	out.Stopped = out.Stopped || r.Stopped
}

// joinWorkers adds the workers of a round to those of the rounds before: of what says how far a clock can be trusted the worst is kept. Of
// how late one began it is the least, since a round that began late says so by its send lag.
func joinWorkers(into, from []WorkerPart) []WorkerPart {
	for _, w := range from {
		i := slices.IndexFunc(into, func(one WorkerPart) bool { return one.Name == w.Name })
		if i < 0 {
			into = append(into, w)
			continue
		}
		one := &into[i]
		one.Add(w.Counts)
		one.Unsent += w.Unsent
		one.CPUSeconds += w.CPUSeconds
		one.Uncertain, one.Late = max(one.Uncertain, w.Uncertain), min(one.Late, w.Late)
		if w.Drift.Abs() > one.Drift.Abs() {
			one.Drift = w.Drift
		}
		if one.Lost == "" {
			one.Lost = w.Lost
		}
	}
	return into
}

func sum[K comparable](into, from map[K]uint64) {
	for k, n := range from {
		into[k] += n
	}
}

func sumCounts(into, from map[string]Counts) {
	for k, c := range from {
		s := into[k]
		s.Add(c)
		into[k] = s
	}
}
