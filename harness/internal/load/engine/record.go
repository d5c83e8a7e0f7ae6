package engine

import (
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
)

// event is one request that is over. Times are relative to the beginning of the
// measured window, so that the warm-up's are negative.
type event struct {
	draw
	verdict
	due  time.Duration // open: when it should have been sent
	sent time.Duration // when it was
	end  time.Duration

	status            int       // 0: no response
	size              int       // of the body
	events            int       // of a stream
	first             time.Time // of a stream: when the first of them came
	cache, node, edge []byte
}

// recorder gathers what becomes of an attack's requests. Connections write to a
// few shards, so that they seldom wait for each other.
type recorder struct {
	plan   *plan
	open   bool
	window time.Duration
	warmup time.Duration
	began  time.Time // of the measured window; set before anything is recorded
	shards []*shard

	inFlight atomic.Int64
	peak     atomic.Int64 // of inFlight
	sent     atomic.Uint64
	dialed   atomic.Uint64 // new connections in the measured window
	raw      []load.Raw    // open: written by the one consumer, read at the end
	unsent   uint64        // open: due in the measured window and never sent; set at the end
	segments []segment     // of the attack's shape
}

// shard is a part of the figures, and the lock on it.
type shard struct {
	mu sync.Mutex

	counts   load.Counts
	byReq    []load.Counts
	latency  []*measure.Histogram // by request; nil: not asked for
	byGroup  []load.Counts        // the last is of requests without a group
	status   [600]uint64
	errors   map[string]uint64
	cache    map[string]*uint64
	nodes    map[string]*uint64
	edge     map[string]*uint64
	seconds  []*second // the warm-up's first
	latest   [liveKept]liveSecond
	hashed   uint64
	bytesIn  uint64
	busy     time.Duration // sum of service times
	wrong    []load.Mismatch
	probes   []load.Probe
	service  measure.Histogram
	correct  measure.Histogram
	lag      measure.Histogram
	errorLat measure.Histogram
	first    measure.Histogram // of streams
	events   uint64
	segments []load.SegmentResult // what was due in each
}

// segment is a segment of an attack's shape: where it ends in the measured window, and what was due in it and never sent.
type segment struct {
	end    time.Duration
	unsent uint64
}

// second is one second of the series.
type second struct {
	load.Counts
	hits    uint64
	latency measure.Coarse
}

func newRecorder(p *plan) *recorder {
	a := p.attack
	r := &recorder{plan: p, open: a.Model != load.Closed, window: a.Duration, warmup: a.Warmup}
	var end time.Duration
	for _, s := range a.Shape {
		end += s.For
		r.segments = append(r.segments, segment{end: end})
	}
	n := 1 // one consumer takes an open attack's results
	if !r.open {
		n = min(2*runtime.GOMAXPROCS(0), a.Connections, 16)
	}
	for range n {
		r.shards = append(r.shards, &shard{
			byReq: make([]load.Counts, len(a.Requests)), latency: latencies(a), byGroup: make([]load.Counts, len(a.Consumers)+1),
			errors: map[string]uint64{}, cache: map[string]*uint64{}, nodes: map[string]*uint64{}, edge: map[string]*uint64{},
			segments: make([]load.SegmentResult, len(a.Shape)),
		})
	}
	return r
}

// latencies are empty histograms of the requests that the attack asks for.
func latencies(a load.Attack) []*measure.Histogram {
	out := make([]*measure.Histogram, len(a.Requests))
	for i := range a.Requests {
		if slices.Contains(a.LatencyOf, a.Requests[i].Name) {
			out[i] = &measure.Histogram{}
		}
	}
	return out
}

// begin and end bracket a request in flight.
func (r *recorder) begin() {
	n := r.inFlight.Add(1)
	for {
		p := r.peak.Load()
		if n <= p || r.peak.CompareAndSwap(p, n) {
			return
		}
	}
}

func (r *recorder) end() { r.inFlight.Add(-1) }

// record counts an event in shard i, or any.
func (r *recorder) record(i int, e *event) {
	s := r.shards[i%len(r.shards)]
	at := e.sent
	latency := e.end - e.sent
	if r.open {
		at = e.due
		latency = e.end - e.due
	}
	if at >= r.window {
		return // nothing is sent after the window's end, but for a rounding error
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.series(r.warmup, at, latency, e)
	if e.end < r.window { // what ends later does so while the attack drains
		s.live(r.warmup, latency, e)
	}
	if at < 0 {
		return
	}
	s.count(e)
	if len(r.segments) > 0 {
		s.segment(r.segmentAt(at), latency, e)
	}
	s.busy += e.end - e.sent
	if r.open {
		s.lag.Record(max(e.sent-e.due, 0))
	}
	switch e.outcome {
	case success:
		s.service.Record(e.end - e.sent)
		if !e.first.IsZero() {
			s.events += uint64(e.events) //nolint:gosec // a count
			s.first.Record(max(e.first.Sub(r.began)-at, 0))
		}
		if r.open {
			s.correct.Record(latency)
		}
		if h := s.latency[e.pair.request]; h != nil {
			h.Record(latency)
		}
	case failure:
		s.errors[e.kind]++
		s.errorLat.Record(latency)
		if e.detail != "" && len(s.wrong) < load.MaxMismatches {
			s.wrong = append(s.wrong, load.Mismatch{Offset: at, Request: e.req.Name, Kind: e.kind, Detail: e.detail})
		}
	}
	if r.plan.attack.Model == load.Probes {
		one := load.Probe{Offset: e.due, OK: e.outcome != failure, Status: e.status, Err: e.kind, Node: string(e.node), Latency: latency}
		if e.trace != nil {
			one.Trace, one.Name = string(e.trace), e.req.Name
		}
		s.probes = append(s.probes, one)
	}
}

// segmentAt is the segment of the attack's shape in which a time of the measured window lies.
func (r *recorder) segmentAt(at time.Duration) int {
	return sort.Search(len(r.segments)-1, func(i int) bool { return r.segments[i].end > at })
}

// segment adds an event to that of the shape's segments in which it was due.
func (s *shard) segment(i int, latency time.Duration, e *event) {
	one := &s.segments[i]
	count(&one.Counts, e.outcome)
	if e.outcome == success {
		one.Corrected.Record(latency)
	}
}

// count adds an event of the measured window to the totals.
func (s *shard) count(e *event) {
	count(&s.counts, e.outcome)
	count(&s.byReq[e.pair.request], e.outcome)
	group := e.pair.group
	if group < 0 {
		group = len(s.byGroup) - 1
	}
	count(&s.byGroup[group], e.outcome)
	if e.status > 0 && e.status < len(s.status) {
		s.status[e.status]++
	}
	if e.hashed {
		s.hashed++
	}
	s.bytesIn += uint64(e.size)
	tally(s.cache, e.cache)
	tally(s.nodes, e.node)
	tally(s.edge, e.edge)
}

// count adds one request.
func count(c *load.Counts, o outcome) {
	c.Requests++
	switch o {
	case success:
		c.Successes++
	case limited:
		c.Limited++
	default:
		c.Failed++
	}
}

// maxNames bounds a tally: names come from the other side.
const maxNames = 100

// tally counts a name without allocating for one it knows.
func tally(m map[string]*uint64, name []byte) {
	if len(name) == 0 {
		return
	}
	if n, ok := m[string(name)]; ok {
		*n++
		return
	}
	if len(m) < maxNames {
		n := uint64(1)
		m[string(name)] = &n
	}
}

// series adds an event to its second.
func (s *shard) series(warmup, at, latency time.Duration, e *event) {
	i := secondOf(warmup, at)
	if i < 0 {
		return
	}
	for len(s.seconds) <= i {
		s.seconds = append(s.seconds, nil)
	}
	sec := s.seconds[i]
	if sec == nil {
		sec = &second{}
		s.seconds[i] = sec
	}
	count(&sec.Counts, e.outcome)
	if string(e.cache) == "Hit" {
		sec.hits++
	}
	if e.outcome == success {
		sec.latency.Record(latency)
	}
}

// secondOf is the index of the second in which a time lies, from the warm-up's
// first.
func secondOf(warmup, at time.Duration) int {
	if at < 0 {
		// The warm-up's seconds are counted back from the window's beginning, so
		// that the window's own are whole.
		return warmSeconds(warmup) - 1 - int((-at-1)/time.Second)
	}
	return warmSeconds(warmup) + int(at/time.Second)
}

// warmSeconds is the number of seconds, begun ones included, of a warm-up.
func warmSeconds(warmup time.Duration) int { return int((warmup + time.Second - 1) / time.Second) }
