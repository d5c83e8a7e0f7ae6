package result

// Capacity is one search for the highest rate within an SLO, open-loop.
type Capacity struct {
	Stage    string          `json:"stage"`
	Replicas int             `json:"replicas"`
	SLO      string          `json:"slo"`
	QPS      *float64        `json:"qps,omitempty"`      // highest offered rate that was confirmed; absent: none
	Limit    string          `json:"limit,omitempty"`    // what ended the search
	KneeQPS  *float64        `json:"knee_qps,omitempty"` // rate from which latency rises steeply
	Closed   []float64       `json:"closed_qps,omitempty"`
	Points   []CapacityPoint `json:"points"`
}

// CapacityPoint is what was seen at one rate.
type CapacityPoint struct {
	OfferedQPS float64  `json:"offered_qps"`
	QPS        float64  `json:"qps"`
	P50MS      *float64 `json:"p50_ms,omitempty"` // corrected
	P99MS      *float64 `json:"p99_ms,omitempty"`
	ErrorRate  float64  `json:"error_rate"`
	Valid      bool     `json:"valid"` // the generator did what it should
	Confirms   bool     `json:"confirms,omitempty"`
	Missed     string   `json:"missed,omitempty"` // what was missed: the SLO, or a check
}

// Scalability is the universal scalability law, fitted to closed-loop rates.
// Its predictions are extrapolations, and nothing where Identified is false.
type Scalability struct {
	Lambda      float64      `json:"lambda"` // requests per second of one replica
	Sigma       Range        `json:"sigma"`  // contention: share of the work that replicas wait for each other
	Kappa       Range        `json:"kappa"`  // coherency: cost of keeping replicas consistent
	Identified  bool         `json:"identified"`
	Reason      string       `json:"reason,omitempty"` // why it is not identified
	Predictions []Prediction `json:"predictions,omitempty"`
}

// Range is a figure with its two-sided 95% bootstrap interval.
type Range struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Prediction is an extrapolated throughput.
type Prediction struct {
	Replicas int   `json:"replicas"`
	QPS      Range `json:"qps"`
}
