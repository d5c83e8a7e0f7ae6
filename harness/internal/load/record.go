package load

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gatelab/harness/internal/measure"
)

// maxMismatches is how many wrong answers a result describes.
const maxMismatches = 20

// event is one request that is over. Times are relative to the beginning of the
// measured window, so that the warm-up's are negative.
type event struct {
	draw
	verdict
	due  time.Duration // open: when it should have been sent
	sent time.Duration // when it was
	end  time.Duration

	status            int // 0: no answer
	size              int // of the body
	cache, node, edge []byte
}

// recorder gathers what becomes of an attack's requests. Connections write to a
// few shards, so that they seldom wait for each other.
type recorder struct {
	plan   *plan
	open   bool
	window time.Duration
	warmup time.Duration
	shards []*shard

	inFlight atomic.Int64
	peak     atomic.Int64 // of inFlight
	sent     atomic.Uint64
	dialed   atomic.Uint64 // new connections in the measured window
	raw      []Raw         // open: written by the one consumer, read at the end
	unsent   uint64        // open: due in the measured window and never sent; set at the end
}

// shard is a part of the figures, and the lock on it.
type shard struct {
	mu sync.Mutex

	counts   Counts
	byReq    []Counts
	byGroup  []Counts // the last is nobody's
	status   [600]uint64
	errors   map[string]uint64
	cache    map[string]*uint64
	nodes    map[string]*uint64
	edge     map[string]*uint64
	seconds  []*second // the warm-up's first
	hashed   uint64
	bytesIn  uint64
	busy     time.Duration // sum of service times
	wrong    []Mismatch
	probes   []Probe
	service  measure.Histogram
	correct  measure.Histogram
	lag      measure.Histogram
	errorLat measure.Histogram
}

// second is one second of the series.
type second struct {
	Counts
	hits    uint64
	latency coarse
}

func newRecorder(p *plan) *recorder {
	a := p.attack
	r := &recorder{plan: p, open: a.Model != Closed, window: a.Duration, warmup: a.Warmup}
	n := 1 // one consumer takes an open attack's results
	if !r.open {
		n = min(2*runtime.GOMAXPROCS(0), a.Connections, 16)
	}
	for range n {
		r.shards = append(r.shards, &shard{
			byReq: make([]Counts, len(a.Requests)), byGroup: make([]Counts, len(a.Consumers)+1),
			errors: map[string]uint64{}, cache: map[string]*uint64{}, nodes: map[string]*uint64{}, edge: map[string]*uint64{},
		})
	}
	return r
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
	if at < 0 {
		return
	}
	s.count(e)
	s.busy += e.end - e.sent
	if r.open {
		s.lag.Record(max(e.sent-e.due, 0))
	}
	switch e.outcome {
	case success:
		s.service.Record(e.end - e.sent)
		if r.open {
			s.correct.Record(latency)
		}
	case failure:
		s.errors[e.kind]++
		s.errorLat.Record(latency)
		if e.detail != "" && len(s.wrong) < maxMismatches {
			s.wrong = append(s.wrong, Mismatch{Offset: at, Request: e.req.Name, Kind: e.kind, Detail: e.detail})
		}
	}
	if r.plan.attack.Model == Probes {
		s.probes = append(s.probes, Probe{Offset: e.due, OK: e.outcome != failure, Status: e.status, Err: e.kind,
			Node: string(e.node), Latency: latency})
	}
}

// count adds an event of the measured window to the totals.
func (s *shard) count(e *event) {
	s.counts.one(e.outcome)
	s.byReq[e.pair.request].one(e.outcome)
	group := e.pair.group
	if group < 0 {
		group = len(s.byGroup) - 1
	}
	s.byGroup[group].one(e.outcome)
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

func (c *Counts) one(o outcome) {
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
	i := warmSeconds(warmup) + int(at/time.Second)
	if at < 0 {
		// The warm-up's seconds are counted back from the window's beginning, so
		// that the window's own are whole.
		i = warmSeconds(warmup) - 1 - int((-at-1)/time.Second)
	}
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
	sec.one(e.outcome)
	if string(e.cache) == "Hit" {
		sec.hits++
	}
	if e.outcome == success {
		sec.latency.record(latency)
	}
}

// warmSeconds is the number of seconds, begun ones included, of a warm-up.
func warmSeconds(warmup time.Duration) int { return int((warmup + time.Second - 1) / time.Second) }
