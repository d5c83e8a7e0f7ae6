package engine

import (
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
)

// counts are the totals and the failures so far.
func (r *recorder) counts() (c load.Counts, errors map[string]uint64) {
	errors = map[string]uint64{}
	for _, s := range r.shards {
		s.mu.Lock()
		c.Add(s.counts)
		for k, n := range s.errors {
			errors[k] += n
		}
		s.mu.Unlock()
	}
	return c, errors
}

// seconds is the series from second from on, the warm-up's seconds negative.
// Seconds without requests in between are there, with zeros; the last one may be
// under way.
func (r *recorder) seconds(from int) []load.Second {
	warm := warmSeconds(r.warmup)
	var sums []*second
	for _, s := range r.shards {
		s.mu.Lock()
		for i, sec := range s.seconds {
			if i < warm+from {
				continue
			}
			for len(sums) <= i {
				sums = append(sums, nil)
			}
			if sums[i] == nil {
				sums[i] = &second{}
			}
			if sec == nil {
				continue
			}
			sums[i].Add(sec.Counts)
			sums[i].hits += sec.hits
			sums[i].latency.Add(&sec.latency)
		}
		s.mu.Unlock()
	}
	out := []load.Second{}
	for i, sec := range sums {
		if sec == nil {
			continue
		}
		one := load.Second{
			Offset: i - warm, Counts: sec.Counts, Hits: sec.hits,
			P50: sec.latency.Quantile(0.5), P99: sec.latency.Quantile(0.99),
		}
		if r.plan.attack.Part != nil { // percentiles of parts cannot be put together
			one.Latency = &sec.latency
		}
		out = append(out, one)
	}
	return out
}

// result sums the shards up. It is called when nothing is recorded any more.
func (r *recorder) result(began, ended time.Time) *load.Result {
	a := r.plan.attack
	out := &load.Result{
		Attack: a, Began: began, Ended: ended,
		Status: map[int]uint64{}, CacheStatus: map[string]uint64{}, Nodes: map[string]uint64{}, EdgeCache: map[string]uint64{},
		ByRequest: map[string]load.Counts{}, ByConsumer: map[string]load.Counts{}, Mismatches: []load.Mismatch{},
		LatencyByRequest: map[string]measure.Histogram{},
		Sent:             r.sent.Load(), MaxInFlight: int(r.peak.Load()), ConnectionsOpened: r.dialed.Load(),
		Unsent: r.unsent, Raw: r.raw,
	}
	out.Counts, out.Errors = r.counts()
	out.Series = r.seconds(0)
	// Seconds at the end in which nothing was sent are part of the story.
	for i := len(out.Series); time.Duration(i)*time.Second < out.Window(); i++ {
		out.Series = append(out.Series, load.Second{Offset: i})
	}
	for i, s := range a.Shape {
		out.Segments = append(out.Segments, load.SegmentResult{Segment: s, Unsent: r.segments[i].unsent})
	}
	var busy time.Duration
	for _, s := range r.shards {
		s.mu.Lock()
		s.addTo(out)
		busy += s.busy
		s.mu.Unlock()
	}
	if w := out.Window(); w > 0 {
		out.InFlight = float64(busy) / float64(w)
	}
	slices.SortFunc(out.Probes, func(a, b load.Probe) int { return int(a.Offset - b.Offset) })
	slices.SortFunc(out.Mismatches, func(a, b load.Mismatch) int { return int(a.Offset - b.Offset) })
	out.Mismatches = out.Mismatches[:min(len(out.Mismatches), load.MaxMismatches)]
	return out
}

func (s *shard) addTo(out *load.Result) {
	a := out.Attack
	for i, n := range s.status {
		if n > 0 {
			out.Status[i] += n
		}
	}
	for k, n := range s.cache {
		out.CacheStatus[k] += *n
	}
	for k, n := range s.nodes {
		out.Nodes[k] += *n
	}
	for k, n := range s.edge {
		out.EdgeCache[k] += *n
	}
	for i, c := range s.byReq {
		sum := out.ByRequest[a.Requests[i].Name]
		sum.Add(c)
		out.ByRequest[a.Requests[i].Name] = sum
		if s.latency[i] != nil {
			all := out.LatencyByRequest[a.Requests[i].Name]
			all.Merge(*s.latency[i])
			out.LatencyByRequest[a.Requests[i].Name] = all
		}
	}
	for i, g := range a.Consumers {
		sum := out.ByConsumer[g.Name]
		sum.Add(s.byGroup[i])
		out.ByConsumer[g.Name] = sum
	}
	for i, one := range s.segments {
		out.Segments[i].Add(one.Counts)
		out.Segments[i].Corrected.Merge(one.Corrected)
	}
	out.FirstEvent.Merge(s.first)
	out.Events += s.events
	out.Hashed += s.hashed
	out.BytesIn += s.bytesIn
	out.Service.Merge(s.service)
	out.Corrected.Merge(s.correct)
	out.Lag.Merge(s.lag)
	out.ErrorLatency.Merge(s.errorLat)
	out.Mismatches = append(out.Mismatches, s.wrong...)
	out.Probes = append(out.Probes, s.probes...)
}
