package result

import "time"

// Attack is one attack of one round, as the worker reported it.
type Attack struct {
	Model       string    `json:"model" jsonschema:"enum=open,enum=closed"` // Open or Closed
	Round       int       `json:"round"`                                    // from 1
	OfferedQPS  *float64  `json:"offered_qps,omitempty"`
	Connections *int      `json:"connections,omitempty"`
	BeganAt     time.Time `json:"began_at"` // of the measured window, after the warm-up
	WarmupS     float64   `json:"warmup_s"`
	DurationS   float64   `json:"duration_s"`
	Outcomes
	QPS       *float64 `json:"qps,omitempty"` // successes per second
	ErrorRate *float64 `json:"error_rate,omitempty"`

	LatencyMS        *Latency          `json:"latency_ms,omitempty"`         // corrected; open only
	ServiceLatencyMS *Latency          `json:"service_latency_ms,omitempty"` // of closed attacks too, where it is not what a user sees
	ErrorLatencyMS   *Latency          `json:"error_latency_ms,omitempty"`
	LagMS            *Latency          `json:"lag_ms,omitempty"` // actual minus intended send time; open only
	Percentiles      []Percentile      `json:"percentiles,omitempty"`
	Status           map[string]uint64 `json:"status,omitempty"`
	Errors           map[string]uint64 `json:"errors,omitempty"`
	CacheStatus      map[string]uint64 `json:"cache_status,omitempty"`
	Nodes            map[string]uint64 `json:"nodes,omitempty"` // who answered, by X-Gateway-Node
	Series           []Second          `json:"series,omitempty"`
	Marks            []Mark            `json:"marks,omitempty"` // what happened meanwhile
	// Segments are those of the attack's shape, of a rate that changes over time; none: it stays.
	Segments []Segment `json:"segments,omitempty"`
	Arrivals string    `json:"arrivals,omitempty" jsonschema:"enum=poisson"` // how requests followed each other; empty: evenly
	// Workers are the workers that made the attack together, each with its part; none: one made it.
	Workers []Worker `json:"workers,omitempty"`
	// Repeated says why the attack was made again, once for each attempt before this one: what the machine did, not what was measured.
	Repeated []string `json:"repeated,omitempty"`
	// Spoiled says what the machine did during this one that would have been a reason to make it again.
	Spoiled string `json:"spoiled,omitempty"`
}

// Segment is a piece of an attack's shape: what was due in it.
type Segment struct {
	Name      string  `json:"name"`
	OffsetS   float64 `json:"offset_s"` // from the beginning of the measured window
	DurationS float64 `json:"duration_s"`
	FromQPS   float64 `json:"from_qps"` // the rate with which it begins
	ToQPS     float64 `json:"to_qps"`   // the rate with which it ends
	Outcomes
	Unsent    uint64   `json:"unsent"`               // due, and never sent: the generator did not keep the rate
	ErrorRate *float64 `json:"error_rate,omitempty"` // 0 to 1
	LatencyMS *Latency `json:"latency_ms,omitempty"` // corrected
}

// Worker is one of several workers that made an attack together. The attack's figures are of all of them: counts added up, histograms
// merged, times by the harness's clock.
type Worker struct {
	Name string `json:"name"` // of its node
	Outcomes
	CPU              *float64 `json:"cpu,omitempty"`      // share of its cores that it used, 0 to 1
	ClockAheadMS     float64  `json:"clock_ahead_ms"`     // what its clock showed more than the harness's, before the attack
	ClockUncertainMS float64  `json:"clock_uncertain_ms"` // plus or minus: half of the shortest round trip that was seen
	ClockDriftMS     float64  `json:"clock_drift_ms"`     // how much that changed until after the attack
	LateMS           float64  `json:"late_ms"`            // that it began after the time that was set for all
	// Lost says why the worker is not in the attack's figures, which are not valid then.
	Lost string `json:"lost,omitempty"`
}

// Percentile is a point of the corrected latency's distribution. Percentiles
// that want more samples than there are must be left out.
type Percentile struct {
	Percentile float64 `json:"percentile"` // 0 to 100
	MS         float64 `json:"ms"`
}

// Second is one second of an attack, by intended send time where it is open.
type Second struct {
	Offset    int      `json:"offset"` // seconds from the beginning of the measured window
	Requests  uint64   `json:"requests"`
	Successes uint64   `json:"successes"`
	Limited   uint64   `json:"limited"`
	Failed    uint64   `json:"failed"`
	TargetQPS *float64 `json:"target_qps,omitempty"` // the rate that the shape asks for; only of a rate that changes over time
	Hits      *uint64  `json:"hits,omitempty"`
	P50MS     *float64 `json:"p50_ms,omitempty"`
	P99MS     *float64 `json:"p99_ms,omitempty"`
}

// Mark is an event on an attack's time axis.
type Mark struct {
	OffsetS float64 `json:"offset_s"`
	Label   string  `json:"label"` // "gateway-2 killed"
}
