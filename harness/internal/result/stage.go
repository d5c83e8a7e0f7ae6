package result

import "github.com/gatelab/gatelab/harness/internal/measure"

// Stage is one step of the scenario as it was measured, its rounds merged.
//
// QPS is the closed-loop attack's rate of successes: capacity, and no user's
// experience. Latency, status, errors and the error rate are the open-loop
// attack's, for it is what a user meets; where a stage has no open-loop attack
// they are the closed-loop one's, without latency.
type Stage struct {
	Name           string   `json:"name"`
	Changes        []string `json:"changes"` // what this stage turned on, in words
	Valid          bool     `json:"valid"`
	InvalidReasons []string `json:"invalid_reasons"`
	Warnings       []string `json:"warnings"`
	Replicas       int      `json:"replicas"`
	Load           Load     `json:"load"`

	Requests     *uint64  `json:"requests,omitempty"`       // in both attacks' measured windows
	QPS          *float64 `json:"qps,omitempty"`            // closed-loop successes per second
	QPSOfCeiling *float64 `json:"qps_of_ceiling,omitempty"` // 0 to 1
	QPSRounds    []Spread `json:"qps_rounds,omitempty"`     // each round's, where there are several

	LatencyMS        *Latency          `json:"latency_ms,omitempty"`         // corrected, successes, open loop
	ServiceLatencyMS *Latency          `json:"service_latency_ms,omitempty"` // as the worker stamped it, open loop
	Percentiles      []Percentile      `json:"percentiles,omitempty"`        // of LatencyMS, for the plot
	ClosedLatencyMS  *Latency          `json:"closed_latency_ms,omitempty"`  // closed loop, to compare with other closed loops only
	ClosedErrorRate  *float64          `json:"closed_error_rate,omitempty"`  // 0 to 1
	ErrorRate        *float64          `json:"error_rate,omitempty"`         // 0 to 1; requests limited by the gateway are no errors
	Status           map[string]uint64 `json:"status,omitempty"`
	Errors           map[string]uint64 `json:"errors,omitempty"`

	Cache           *Cache              `json:"cache,omitempty"`
	Limits          *Limits             `json:"limits,omitempty"`
	CPUPerRequestUS map[string]float64  `json:"cpu_us_per_request,omitempty"` // by role, both attacks
	MemoryPeakMiB   map[string]float64  `json:"memory_peak_mib,omitempty"`    // by node
	Utilisation     map[string]float64  `json:"utilisation,omitempty"`        // by node: CPU used of its limit, closed loop, 0 to 1
	Postgres        *Postgres           `json:"postgres,omitempty"`
	Bottleneck      *measure.Bottleneck `json:"bottleneck,omitempty"`
	Availability    *Availability       `json:"availability,omitempty"` // by the probe, apart from the load
	SLO             *SLO                `json:"slo,omitempty"`
	Published       *Published          `json:"published,omitempty"`
	Consumers       map[string]Outcomes `json:"consumers,omitempty"`      // open loop, by consumer group
	Mix             map[string]Outcomes `json:"mix,omitempty"`            // open loop, by request name
	MixLatencyMS    map[string]Latency  `json:"mix_latency_ms,omitempty"` // corrected, of requests that an objective names
	Countries       []Country           `json:"countries,omitempty"`      // of a stage with an edge, by distance
	Soak            []Soak              `json:"soak,omitempty"`           // of a soak: whether memory, goroutines and latency grew
	Traces          *Traces             `json:"traces,omitempty"`         // of a stage with a collector of traces
	Checks          []measure.Check     `json:"checks,omitempty"`
	Attacks         []Attack            `json:"attacks,omitempty"`
}

// Models of load.
const (
	Open   = "open"
	Closed = "closed"
	Both   = "closed+open"
)

// Load says how a stage was loaded.
type Load struct {
	// Model is Open, Closed or Both.
	Model      string   `json:"model" jsonschema:"enum=open,enum=closed,enum=closed+open,enum="`
	OfferedQPS *float64 `json:"offered_qps,omitempty"` // open
	// OpenCapacityQPS is the rate of an open loop at which the cores would be full, as estimated by a trial; OfferedQPS is a share of it.
	OpenCapacityQPS *float64 `json:"open_capacity_qps,omitempty"`
	Connections     *int     `json:"connections,omitempty"` // closed
	// DurationS is the measured window of the open attack, else of the closed one.
	DurationS float64 `json:"duration_s"`
	// ClosedDurationS is the measured window of the closed attack of both.
	ClosedDurationS *float64 `json:"closed_duration_s,omitempty"`
	Rounds          int      `json:"rounds"`
	// Workers is how many workers shared the attacks, where there were several.
	Workers *int `json:"workers,omitempty"`
}

// Spread is one round's figure.
type Spread struct {
	Round int     `json:"round"`
	Value float64 `json:"value"`
}

// Latency is a distribution in milliseconds. A percentile is nil where there
// were too few samples for it.
type Latency struct {
	Samples *uint64  `json:"samples,omitempty"`
	P50     *float64 `json:"p50,omitempty"`
	P90     *float64 `json:"p90,omitempty"`
	P95     *float64 `json:"p95,omitempty"`
	P99     *float64 `json:"p99,omitempty"`
	P999    *float64 `json:"p999,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Mean    *float64 `json:"mean,omitempty"`
}

// Cache is what the response cache did. OriginRequests is the origin's own
// count over the same window.
type Cache struct {
	HitRatio       *float64 `json:"hit_ratio,omitempty"` // hits of hits, misses and stale; 0 to 1
	Hits           *uint64  `json:"hits,omitempty"`
	Misses         *uint64  `json:"misses,omitempty"`
	Stale          *uint64  `json:"stale,omitempty"`
	Coalesced      *uint64  `json:"coalesced,omitempty"`
	Bypassed       *uint64  `json:"bypassed,omitempty"`
	OriginRequests *uint64  `json:"origin_requests,omitempty"`
}

// Limits is what rate limiting did.
type Limits struct {
	Allowed      *uint64 `json:"allowed,omitempty"`
	Limited      *uint64 `json:"limited,omitempty"`
	OverAdmitted *uint64 `json:"over_admitted,omitempty"` // at least: beyond what the limit allows in every window that was touched
	Origin429    *uint64 `json:"origin_429,omitempty"`    // the origin's own refusals
}

// Postgres is the gateways' connection pools together.
type Postgres struct {
	MaxConns  *int     `json:"max_conns,omitempty"` // of one replica
	InUseMax  *int     `json:"in_use_max,omitempty"`
	WaitMSP99 *float64 `json:"wait_ms_p99,omitempty"`
}

// Availability is good of all with its 95% interval.
type Availability struct {
	Probes       uint64  `json:"probes"`
	Failed       uint64  `json:"failed"`
	Availability float64 `json:"availability"`
	Low          float64 `json:"availability_low"`
	High         float64 `json:"availability_high"`
}

// Published are the published figures of a stage.
type Published struct {
	QPS          *float64 `json:"qps,omitempty"`
	Connections  *int     `json:"connections,omitempty"`
	P50MS        *float64 `json:"p50_ms,omitempty"`
	P99MS        *float64 `json:"p99_ms,omitempty"`
	ErrorRate    *float64 `json:"error_rate,omitempty"`
	Availability *float64 `json:"availability,omitempty"`
	Source       string   `json:"source,omitempty"`
	// Remarks say where the figures contradict each other; Write computes them.
	Remarks []string `json:"remarks,omitempty"`
}

// Outcomes counts what became of requests.
type Outcomes struct {
	Requests  uint64 `json:"requests"`
	Successes uint64 `json:"successes"`
	Limited   uint64 `json:"limited"`
	Failed    uint64 `json:"failed"`
}
