package report

import "time"

// SchemaV1 names the format of result.json that this package writes and reads.
const SchemaV1 = "gatelab/result/v1"

// Result is one run of a scenario.
type Result struct {
	Schema         string    `json:"schema"` // SchemaV1; Write fills it
	RunID          string    `json:"run_id"`
	Scenario       string    `json:"scenario"`
	Profile        string    `json:"profile,omitempty"`
	Runtime        string    `json:"runtime"` // docker or host
	StartedAt      time.Time `json:"started_at"`
	FinishedAt     time.Time `json:"finished_at"`
	Valid          bool      `json:"valid"` // all stages are
	InvalidReasons []string  `json:"invalid_reasons"`
	Manifest       Manifest  `json:"manifest"`
	// Ceiling is what the generator reached against the null server in the same
	// lab and run.
	Ceiling    *Ceiling    `json:"ceiling,omitempty"`
	Stages     []Stage     `json:"stages"`
	Faults     []Fault     `json:"faults,omitempty"`
	Experiment *Experiment `json:"experiment,omitempty"`
	Comparison *Comparison `json:"comparison,omitempty"`
	Drill      *Drill      `json:"drill,omitempty"`
	Overview   *Overview   `json:"overview,omitempty"` // of many experiments, in the place of stages
	// Capacity are searches for the highest rate within an SLO, by number of
	// replicas; Scalability is what follows from them.
	Capacity    []Capacity   `json:"capacity,omitempty"`
	Scalability *Scalability `json:"scalability,omitempty"`

	// Histograms are raw latency histograms by file name without a folder; Write
	// puts them into histograms/. They are not part of result.json.
	Histograms map[string][]byte `json:"-"`
}

// Ceiling is the null server's rate.
type Ceiling struct {
	QPS         float64  `json:"qps"`
	Connections *int     `json:"connections,omitempty"`
	DurationS   *float64 `json:"duration_s,omitempty"`
}

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
	ErrorRate        *float64          `json:"error_rate,omitempty"`         // 0 to 1; requests limited by the gateway are no errors
	Status           map[string]uint64 `json:"status,omitempty"`
	Errors           map[string]uint64 `json:"errors,omitempty"`

	Cache           *Cache              `json:"cache,omitempty"`
	Limits          *Limits             `json:"limits,omitempty"`
	CPUPerRequestUS map[string]float64  `json:"cpu_us_per_request,omitempty"` // by role, both attacks
	MemoryPeakMiB   map[string]float64  `json:"memory_peak_mib,omitempty"`    // by node
	Utilisation     map[string]float64  `json:"utilisation,omitempty"`        // by node: CPU used of its limit, closed loop, 0 to 1
	Postgres        *Postgres           `json:"postgres,omitempty"`
	Bottleneck      *Bottleneck         `json:"bottleneck,omitempty"`
	Availability    *Availability       `json:"availability,omitempty"` // by the probe, apart from the load
	SLO             *SLO                `json:"slo,omitempty"`
	Published       *Published          `json:"published,omitempty"`
	Consumers       map[string]Outcomes `json:"consumers,omitempty"` // open loop, by consumer group
	Mix             map[string]Outcomes `json:"mix,omitempty"`       // open loop, by request name
	Countries       []Country           `json:"countries,omitempty"` // of a stage with an edge, by distance
	Checks          []Check             `json:"checks,omitempty"`
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
	Model           string   `json:"model"`                       // Open, Closed or Both
	OfferedQPS      *float64 `json:"offered_qps,omitempty"`       // open
	Connections     *int     `json:"connections,omitempty"`       // closed
	DurationS       float64  `json:"duration_s"`                  // measured window of the open attack, else of the closed one
	ClosedDurationS *float64 `json:"closed_duration_s,omitempty"` // measured window of the closed attack where there are both
	Rounds          int      `json:"rounds"`
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

// Bottleneck is what limits a stage, by evidence.
type Bottleneck struct {
	Component string `json:"component"`
	Rule      string `json:"rule"`
	Evidence  string `json:"evidence"`
}

// Availability is good of all with its 95% interval.
type Availability struct {
	Probes       uint64  `json:"probes"`
	Failed       uint64  `json:"failed"`
	Availability float64 `json:"availability"`
	Low          float64 `json:"availability_low"`
	High         float64 `json:"availability_high"`
}

// SLO is what was asked of the open-loop attack, and whether it was met. Met is
// nil where it cannot be said.
type SLO struct {
	P99MS     *float64 `json:"p99_ms,omitempty"`
	ErrorRate *float64 `json:"error_rate,omitempty"`
	Met       *bool    `json:"met,omitempty"`
}

// Published are the figures that somebody else gave for a stage.
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

// Country is what the clients of one country met without the edge and with it,
// at the same rate. Latency is corrected, of successes, open loop.
type Country struct {
	Name       string   `json:"name"`
	Code       string   `json:"code"` // ISO 3166-1, as the edge sees it
	OfferedQPS *float64 `json:"offered_qps,omitempty"`
	// Delays of the links, one way: client to balancer, client to edge, edge to
	// balancer.
	DirectLinkMS float64 `json:"direct_link_ms"`
	NearLinkMS   float64 `json:"near_link_ms"`
	OriginLinkMS float64 `json:"origin_link_ms"`

	DirectMS        *Latency          `json:"direct_ms,omitempty"`
	EdgeMS          *Latency          `json:"edge_ms,omitempty"`
	DirectErrorRate *float64          `json:"direct_error_rate,omitempty"` // 0 to 1
	EdgeErrorRate   *float64          `json:"edge_error_rate,omitempty"`   // 0 to 1
	EdgeCache       map[string]uint64 `json:"edge_cache,omitempty"`        // answers by X-Edge-Cache: HIT, MISS, STALE, BYPASS
	HitRatio        *float64          `json:"hit_ratio,omitempty"`         // answered by the edge itself, of all requests; 0 to 1
	Published       *CountryPublished `json:"published,omitempty"`
}

// CountryPublished are the figures that somebody else gave for a country.
type CountryPublished struct {
	DirectMS *float64 `json:"direct_ms,omitempty"`
	EdgeMS   *float64 `json:"edge_ms,omitempty"`
	HitRatio *float64 `json:"hit_ratio,omitempty"`
}

// Outcomes counts what became of requests.
type Outcomes struct {
	Requests  uint64 `json:"requests"`
	Successes uint64 `json:"successes"`
	Limited   uint64 `json:"limited"`
	Failed    uint64 `json:"failed"`
}

// Verdicts of a Check.
const (
	OK      = "ok"
	Warning = "warning"
	Invalid = "invalid"
	Skipped = "n/a" // there was nothing to check it with
)

// Check is one of the checks of what makes a figure untrue.
type Check struct {
	Name    string `json:"name"`
	Attack  string `json:"attack,omitempty"` // model, and the round where there are several
	Saw     string `json:"saw"`
	Limit   string `json:"limit"`
	Verdict string `json:"verdict"`
	Remedy  string `json:"remedy,omitempty"` // what to do, where the verdict is warning or invalid
}

// Attack is one attack of one round, as the worker reported it.
type Attack struct {
	Model       string    `json:"model"` // Open or Closed
	Round       int       `json:"round"` // from 1
	OfferedQPS  *float64  `json:"offered_qps,omitempty"`
	Connections *int      `json:"connections,omitempty"`
	BeganAt     time.Time `json:"began_at"` // of the measured window, after the warm-up
	WarmupS     float64   `json:"warmup_s"`
	DurationS   float64   `json:"duration_s"`
	Outcomes
	QPS       *float64 `json:"qps,omitempty"` // successes per second
	ErrorRate *float64 `json:"error_rate,omitempty"`

	LatencyMS        *Latency          `json:"latency_ms,omitempty"`         // corrected; open only
	ServiceLatencyMS *Latency          `json:"service_latency_ms,omitempty"` // of a closed attack too, where it is no user's
	ErrorLatencyMS   *Latency          `json:"error_latency_ms,omitempty"`
	LagMS            *Latency          `json:"lag_ms,omitempty"` // actual minus intended send time; open only
	Percentiles      []Percentile      `json:"percentiles,omitempty"`
	Status           map[string]uint64 `json:"status,omitempty"`
	Errors           map[string]uint64 `json:"errors,omitempty"`
	CacheStatus      map[string]uint64 `json:"cache_status,omitempty"`
	Nodes            map[string]uint64 `json:"nodes,omitempty"` // who answered, by X-Gateway-Node
	Series           []Second          `json:"series,omitempty"`
	Marks            []Mark            `json:"marks,omitempty"` // what happened meanwhile
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
	Hits      *uint64  `json:"hits,omitempty"`
	P50MS     *float64 `json:"p50_ms,omitempty"`
	P99MS     *float64 `json:"p99_ms,omitempty"`
}

// Mark is an event on an attack's time axis.
type Mark struct {
	OffsetS float64 `json:"offset_s"`
	Label   string  `json:"label"` // "gateway-2 killed"
}

// Fault is one fault and what it did.
type Fault struct {
	Name             string     `json:"name"` // kill, stop, pause, cutoff
	Target           string     `json:"target"`
	Stage            string     `json:"stage,omitempty"`
	Round            int        `json:"round,omitempty"`
	InjectedAt       time.Time  `json:"injected_at"`
	EffectObservedAt *time.Time `json:"effect_observed_at,omitempty"`
	RecoveredAt      *time.Time `json:"recovered_at,omitempty"` // the node itself
	Probes           *uint64    `json:"probes,omitempty"`
	Failed           *uint64    `json:"failed,omitempty"`
	Availability     *float64   `json:"availability,omitempty"`
	AvailabilityLow  *float64   `json:"availability_low,omitempty"`
	AvailabilityHigh *float64   `json:"availability_high,omitempty"`
	OutageMS         *float64   `json:"outage_ms,omitempty"`
	TimeToDetectMS   *float64   `json:"time_to_detect_ms,omitempty"`  // fault to the last probe that it hurt (failed, or slow); absent: it hurt none
	TimeToRecoverMS  *float64   `json:"time_to_recover_ms,omitempty"` // recovery to the first of three answers of the target in a row
	ResolutionMS     *float64   `json:"resolution_ms,omitempty"`      // of the times above
	// RequestsFailed counts the load's own failures, idempotent ones apart.
	RequestsFailed   *uint64 `json:"requests_failed,omitempty"`
	IdempotentFailed *uint64 `json:"idempotent_failed,omitempty"`
	LostWrites       *uint64 `json:"lost_writes,omitempty"`
	// Paid counts the probes' failures of any kind by what they were and who
	// said so: which component paid for the fault.
	Paid map[string]uint64 `json:"paid,omitempty"`
}

// Comparison is a paired comparison of builds.
type Comparison struct {
	Arms    []string           `json:"arms"`
	Metrics []ComparisonMetric `json:"metrics"`
	Verdict string             `json:"verdict"` // pass, fail or inconclusive
	Reason  string             `json:"reason,omitempty"`
	Rounds  *int               `json:"rounds,omitempty"` // pairs that the verdict rests on
	Notes   []string           `json:"notes,omitempty"`
}

// ComparisonMetric is one metric's ratio of the second arm to the first, with
// one-sided 95% bounds. Of error_rate it is the difference of the rates. Ratio
// is 0 where there is none: Low and High are absent then.
type ComparisonMetric struct {
	Name    string   `json:"name"`
	Ratio   float64  `json:"ratio"`
	Low     *float64 `json:"low,omitempty"`
	High    *float64 `json:"high,omitempty"`
	Margin  *float64 `json:"margin,omitempty"`
	Verdict string   `json:"verdict,omitempty"`
	// Advisory metrics are no part of the verdict.
	Advisory bool `json:"advisory,omitempty"`
}
