package load

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// Counts is the number of requests by outcome. Requests is the sum of the others.
type Counts struct {
	Requests  uint64 `json:"requests"`
	Successes uint64 `json:"successes"`
	Limited   uint64 `json:"limited"` // refused by the gateway, as the attack allows
	Failed    uint64 `json:"failed"`
}

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	c.Requests += o.Requests
	c.Successes += o.Successes
	c.Limited += o.Limited
	c.Failed += o.Failed
}

// Kinds of failure, the keys of Result.Errors. A status that was not expected
// is "status_<code>", as in status_503, save 429.
const (
	KindTimeout   = "timeout"    // no complete response within the attack's time-out
	KindRefused   = "refused"    // nothing listens
	KindReset     = "reset"      // the connection was torn down
	KindEOF       = "eof"        // the connection ended before the response did
	KindDNS       = "dns"        // the name was not found
	KindNoPort    = "no_port"    // EADDRNOTAVAIL: local ports are used up
	KindNoFiles   = "no_files"   // EMFILE: file descriptors are used up
	KindNoRoute   = "no_route"   // host or network unreachable
	KindMalformed = "malformed"  // not HTTP/1.1
	KindMismatch  = "mismatch"   // the body is not what the origin sent, or not what was asked for
	KindUnhashed  = "unhashed"   // a sampled success without X-Origin-Body
	KindOrigin429 = "origin_429" // a 429 that the gateway did not make
	KindTLS       = "tls"        // the handshake failed: no TLS 1.3, or another certificate
	KindOther     = "other"

	KindGateway429 = "gateway_429" // a 429 that the gateway made and the request does not allow
)

// Result is the result of an attack, of its measured window only. Latency
// histograms hold successes; ErrorLatency holds failures. Requests that the
// gateway limited are in neither: refusing is cheap and would flatter them.
type Result struct {
	Attack Attack    `json:"attack"`
	Began  time.Time `json:"began"` // of the measured window, after the warm-up
	Ended  time.Time `json:"ended"` // of the measured window
	Counts

	Status map[int]uint64    `json:"status"` // by code; responses only
	Errors map[string]uint64 `json:"errors"` // by kind

	Corrected    measure.Histogram `json:"corrected"` // open: response minus due time; empty if closed
	Service      measure.Histogram `json:"service"`   // response minus actual send time
	Lag          measure.Histogram `json:"lag"`       // open: actual send time minus due time
	ErrorLatency measure.Histogram `json:"error_latency"`

	// FirstEvent is the time to the first bytes of the body of successes that are streams of events (text/event-stream): from the due time
	// where the attack is open, from the send time where it is closed. Events is how many events such responses had.
	FirstEvent measure.Histogram `json:"first_event"`
	Events     uint64            `json:"events,omitempty"`

	CacheStatus map[string]uint64 `json:"cache_status"` // by X-Cache-Status
	Nodes       map[string]uint64 `json:"nodes"`        // by X-Gateway-Node
	EdgeCache   map[string]uint64 `json:"edge_cache"`   // by X-Edge-Cache
	Series      []Second          `json:"series"`

	// Segments are what was due in each segment of Attack.Shape.
	Segments []SegmentResult `json:"segments,omitempty"`

	ByRequest  map[string]Counts `json:"by_request"`  // by request's name
	ByConsumer map[string]Counts `json:"by_consumer"` // by consumer group's name
	// LatencyByRequest are the successes of the requests in Attack.LatencyOf: corrected where the attack is open, service where it is closed.
	LatencyByRequest map[string]measure.Histogram `json:"latency_by_request,omitempty"`

	Hashed     uint64     `json:"hashed"`     // bodies whose hash was compared
	Mismatches []Mismatch `json:"mismatches"` // the first few wrong contents and malformed responses

	ConnectionsOpened uint64 `json:"connections_opened"` // in the measured window
	BytesIn           uint64 `json:"bytes_in"`           // of bodies
	Sent              uint64 `json:"sent"`               // requests written, the warm-up's and those that an abort cut off included
	// Unsent requests were due in the measured window of an open attack and were
	// not sent until 100 ms after it: the rate was not kept. They are not in
	// Requests.
	Unsent      uint64 `json:"unsent"`
	MaxInFlight int    `json:"max_in_flight"` // as seen by the requests themselves
	// InFlight is throughput x mean service time, all outcomes together: by
	// Little's law the mean number of requests in flight.
	InFlight float64 `json:"in_flight"`

	WorkerCPUSeconds float64 `json:"worker_cpu_seconds"` // of the worker's process in the measured window
	WorkerCores      float64 `json:"worker_cores"`       // that the process may use
	PeakWorkers      int     `json:"peak_workers"`       // open: most requests in flight, warm-up included
	WorkerCap        int     `json:"worker_cap"`         // open: what PeakWorkers may not reach
	FDLimit          uint64  `json:"fd_limit"`
	TimeWait         *int    `json:"time_wait,omitempty"` // sockets in TIME-WAIT at the end, as far as the worker sees
	Stopped          bool    `json:"stopped,omitempty"`   // before its time, by a caller

	// Late is how long after Attack.Begin the worker began; 0 where there is none.
	Late  time.Duration `json:"late,omitempty"`
	Place Place         `json:"place"`
	// Workers are the workers of an attack that several made together, in order; empty: one made it.
	Workers []WorkerPart `json:"workers,omitempty"`

	Probes []Probe `json:"probes,omitempty"` // model Probes: each, in order of due time
	Raw    []Raw   `json:"raw,omitempty"`    // Attack.KeepRaw: each, in order of their responses
}

// SegmentResult is what was due in a segment of an attack's shape.
type SegmentResult struct {
	Segment
	Counts
	Unsent    uint64            `json:"unsent"` // beside Counts
	Corrected measure.Histogram `json:"corrected"`
}

// Place is where a worker ran: what it shares with other workers.
type Place struct {
	Machine string `json:"machine,omitempty"` // the same for all that this kernel runs; empty: not known
	Cores   string `json:"cores,omitempty"`   // the numbers of the machine's cores that it may run on
	Count   int    `json:"count,omitempty"`   // of them
	Network string `json:"network,omitempty"` // the network namespace, among those of the machine
}

// WorkerPart is what one of several workers did of an attack.
type WorkerPart struct {
	Name      string        `json:"name"`
	Ahead     time.Duration `json:"ahead"`     // of its clock, before the attack; all times were corrected by it
	Uncertain time.Duration `json:"uncertain"` // of Ahead, plus or minus
	Drift     time.Duration `json:"drift"`     // of its clock, from before the attack to after it
	Late      time.Duration `json:"late"`      // after the time at which it was to begin
	Counts
	Unsent     uint64  `json:"unsent"`
	CPUSeconds float64 `json:"cpu_seconds"`
	Cores      float64 `json:"cores"` // that it may use
	// Lost says why nothing else is known of it: it is not in the result.
	Lost string `json:"lost,omitempty"`
}

// CPUShare is the share of its cores that the generator used in the measured window, 0 to 1; of several workers the busiest one's, if that
// is more than the share of all together. ok is false if it is unknown.
func (r *Result) CPUShare() (share float64, ok bool) {
	window := r.Window().Seconds()
	if r.WorkerCores <= 0 || window <= 0 {
		return 0, false
	}
	share = r.WorkerCPUSeconds / window / r.WorkerCores
	for _, w := range r.Workers {
		if w.Cores > 0 {
			share = max(share, w.CPUSeconds/window/w.Cores)
		}
	}
	return share, true
}

// Raw is one request of an open attack as the worker saw it. It was due at
// Seq/Rate seconds after the warm-up's beginning.
type Raw struct {
	Seq     uint64        `json:"seq"`     // from 0, the warm-up's included
	Sent    time.Duration `json:"sent"`    // from Result.Began
	Service time.Duration `json:"service"` // from Sent to the response
	OK      bool          `json:"ok"`      // a success
}

// Window is the measured window's length.
func (r *Result) Window() time.Duration { return r.Ended.Sub(r.Began) }

// QPS is the rate of successes over the measured window, per second.
func (r *Result) QPS() float64 {
	if w := r.Window().Seconds(); w > 0 {
		return float64(r.Successes) / w
	}
	return 0
}

// ErrorRate is failed of all, 0 to 1; limited requests are no errors but count
// among all.
func (r *Result) ErrorRate() float64 {
	if r.Requests == 0 {
		return 0
	}
	return float64(r.Failed) / float64(r.Requests)
}

// Second is one second of the measured window: by due time where the attack is
// open, by send time where it is closed.
type Second struct {
	Offset int `json:"offset"` // seconds from Result.Began; negative in the warm-up, which only Progress shows
	Counts
	Hits uint64 `json:"hits"` // X-Cache-Status: Hit
	// P50 and P99 are of successes: corrected where the attack is open, service
	// where it is closed. 0 without successes.
	P50 time.Duration `json:"p50"`
	P99 time.Duration `json:"p99"`
	// Latency is the distribution that they are of, where it is to be merged with that of other workers; else nil.
	Latency *measure.Coarse `json:"latency,omitempty"`
}

// MaxMismatches is how many mismatches a result describes.
const MaxMismatches = 20

// Mismatch is one wrong response.
type Mismatch struct {
	Offset  time.Duration `json:"offset"`
	Request string        `json:"request"`
	Kind    string        `json:"kind"`
	Detail  string        `json:"detail"`
}

// Probe is one request that shows whether the service is available.
type Probe struct {
	Offset  time.Duration `json:"offset"` // due time, from Result.Began
	OK      bool          `json:"ok"`     // a success, or limited where that is allowed
	Status  int           `json:"status,omitempty"`
	Err     string        `json:"err,omitempty"`   // kind of failure
	Node    string        `json:"node,omitempty"`  // X-Gateway-Node
	Latency time.Duration `json:"latency"`         // from due time
	Trace   string        `json:"trace,omitempty"` // Attack.Trace: the traceparent that was sent
	Name    string        `json:"name,omitempty"`  // Attack.Trace: of the request
}

// States of an attack.
const (
	Warming  = "warming"
	Running  = "running"
	Draining = "draining" // all is sent, the last responses are awaited
	Done     = "done"
	Aborted  = "aborted" // stopped by a caller; there is a result of what was measured until then
)

// Progress is an attack under way.
type Progress struct {
	ID      string            `json:"id"`
	State   string            `json:"state"`
	Elapsed time.Duration     `json:"elapsed"` // warm-up included
	Total   time.Duration     `json:"total"`   // warm-up and measured window
	Counts                    // of the measured window so far
	Errors  map[string]uint64 `json:"errors"`
	// QPS, P50 and P99 are the last full second's, the warm-up's included.
	QPS    float64       `json:"qps"`
	P50    time.Duration `json:"p50"`
	P99    time.Duration `json:"p99"`
	Series []Second      `json:"series"`
	// Latest is the distribution that P50 and P99 are of, where it is to be merged with that of other workers; else nil.
	Latest *measure.Coarse `json:"latest,omitempty"`
}

// Ended tells whether the result can be fetched.
func (p Progress) Ended() bool { return p.State == Done || p.State == Aborted }
