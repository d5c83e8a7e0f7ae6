package result

import "time"

// Versions of result.json. SchemaV2 is written; SchemaV1 can still be read.
const (
	SchemaV1 = "gatelab/result/v1"
	SchemaV2 = "gatelab/result/v2"
)

// Result is one run of a scenario.
type Result struct {
	Schema         string    `json:"schema" jsonschema:"enum=gatelab/result/v2"` // SchemaV2; Settle sets it
	RunID          string    `json:"run_id"`
	Scenario       string    `json:"scenario"`
	Profile        string    `json:"profile,omitempty"`
	Runtime        string    `json:"runtime"` // docker, host or kubernetes
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
	Matrix     *Matrix     `json:"matrix,omitempty"` // of gateways, in the place of stages
	Drill      *Drill      `json:"drill,omitempty"`
	Overview   *Overview   `json:"overview,omitempty"` // of many experiments, in the place of stages
	// Capacity are searches for the highest rate within an SLO, by number of
	// replicas; Scalability is what follows from them.
	Capacity    []Capacity   `json:"capacity,omitempty"`
	Scalability *Scalability `json:"scalability,omitempty"`
	// Scale is what shared servers carry.
	Scale *Scale `json:"scale,omitempty"`

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
