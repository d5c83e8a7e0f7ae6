package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// SchemaV1 names the format of gate.json.
const SchemaV1 = "gatelab/gate/v1"

// FileRecord is a Record's name in a run's folder.
const FileRecord = "gate.json"

// The arms of a comparison. Again is a second replica of Base's build: what it
// differs from Base by is what chance and the host make of the same program.
const (
	Base  = "base"
	Head  = "head"
	Again = "base-again"
)

// Names of the metrics, after the workload's: "proxy cpu_us_per_request".
const (
	MetricCPU = "cpu_us_per_request"
	MetricP50 = "p50_ms"
	MetricP90 = "p90_ms"
	MetricP99 = "p99_ms"
	// MetricSlow is the share of requests that took much longer than most do: slowThreshold says how long.
	MetricSlow = "slow_share"
	MetricQPS  = "throughput"
	// MetricShare is a closed-loop rate as a share of the null server's.
	MetricShare = "share_of_ceiling"
)

// Margins are what is tolerated. CPU to Throughput are shares: 0.10 is 10% worse.
// Slow and ErrorRate are rises of a share of the requests, absolute. Latency is a
// time in ms, below which no difference of p50 or p90 counts as one.
type Margins struct {
	CPU        float64 `json:"cpu"`
	Together   float64 `json:"together"` // of CPU of all workloads together; 0 in records from before it: that of CPU
	P50        float64 `json:"p50"`
	P90        float64 `json:"p90"`
	P99        float64 `json:"p99"`
	Latency    float64 `json:"latency_ms"` // 0 in records from before it
	Slow       float64 `json:"slow"`       // 0 in records from before it, which have no such figures
	Throughput float64 `json:"throughput"`
	ErrorRate  float64 `json:"error_rate"`
}

// DefaultMargins are as narrow as a gate of a few minutes on two busy cores can
// tell: there the pairs of equal builds differed, as standard deviation, by 3 to
// 13% in CPU per request and 1 to 4% in that of all workloads together, 1 to 19%
// in p50 (the more the faster the machine: a hit takes 0.1 ms), 4 to 20% in p90 and
// 10 to 129% in p99.
func DefaultMargins() Margins {
	return Margins{
		CPU: 0.05, Together: 0.02, P50: 0.10, P90: 0.20, P99: 0.30, Latency: 0.02, Slow: 0.002, Throughput: 0.15, ErrorRate: 0.001,
	}
}

// Validate names the first margin that cannot be.
func (m Margins) Validate() error {
	for _, one := range []struct {
		name  string
		value float64
		most  float64
	}{
		{"cpu", m.CPU, 5}, {"together", m.Together, 5}, {"slow", m.Slow, 0.5}, {"p50", m.P50, 5}, {"p90", m.P90, 5}, {"p99", m.P99, 5},
		{"throughput", m.Throughput, 5}, {"error_rate", m.ErrorRate, 0.5},
	} {
		if !(one.value > 0 && one.value <= one.most) {
			return fmt.Errorf("margin of %s: %v is not allowed: want above 0, to %v", one.name, one.value, one.most)
		}
	}
	if !(m.Latency >= 0 && m.Latency <= mostLatency) {
		return fmt.Errorf("margin of latency: %v ms is not allowed: want 0 to %v", m.Latency, mostLatency)
	}
	return nil
}

// mostLatency is the longest time in ms that a margin may be.
const mostLatency = 60_000

// Sample is one arm under one workload in one round.
type Sample struct {
	Workload string    `json:"workload"`
	Round    int       `json:"round"` // from 1
	Arm      string    `json:"arm"`
	Place    int       `json:"place"` // in the round's order, from 1
	BeganAt  time.Time `json:"began_at"`

	OfferedQPS float64  `json:"offered_qps"`
	CPUUS      *float64 `json:"cpu_us_per_request,omitempty"`
	// Corrected latency: the median of the turns', so that what the host does for
	// a moment spoils a turn and not the round.
	P50MS *float64 `json:"p50_ms,omitempty"`
	P90MS *float64 `json:"p90_ms,omitempty"`
	P99MS *float64 `json:"p99_ms,omitempty"`
	// Slower is how many requests took longer than each of slowTimes; empty in records from before it.
	Slower    []uint64 `json:"slower,omitempty"`
	QPS       *float64 `json:"closed_qps,omitempty"` // of a closed-loop attack, where the workload has one
	MemoryMiB *float64 `json:"memory_mib,omitempty"`
	Requests  uint64   `json:"requests"`
	Failed    uint64   `json:"failed"`
	// Excluded says why P99MS must not be used: the generator was late now and
	// then. Pressed says why no latency may: it could not keep up at all. CPU a
	// request survives both.
	Excluded []string `json:"excluded,omitempty"`
	Pressed  []string `json:"pressed,omitempty"`
}

// Record is all that a gate measured.
type Record struct {
	Schema    string            `json:"schema"`
	StartedAt time.Time         `json:"started_at"`
	Arms      map[string]string `json:"arms"` // arm -> what was built: commit, patch
	Machine   map[string]string `json:"machine"`
	Ceiling   float64           `json:"ceiling_qps"` // null server, same lab, same run
	Margins   Margins           `json:"margins"`
	Rounds    int               `json:"rounds"`     // of the first look
	MaxRounds int               `json:"max_rounds"` // after the one extension; equal to Rounds: there is none
	Workloads []string          `json:"workloads"`  // in order
	Samples   []Sample          `json:"samples"`
}

// mostRounds is far beyond what a gate takes time for.
const mostRounds = 10_000

func (s *Sample) validate() error {
	if s.Round < 1 || s.Round > mostRounds {
		return fmt.Errorf("round: %d is not allowed: want 1 to %d", s.Round, mostRounds)
	}
	if s.Failed > s.Requests {
		return fmt.Errorf("failed: %d is not allowed: want at most requests, %d", s.Failed, s.Requests)
	}
	if n := len(s.Slower); n != 0 && n != len(slowTimes) {
		return fmt.Errorf("slower: %d counts are not allowed: want %d, or none", n, len(slowTimes))
	}
	for _, n := range s.Slower {
		if n > s.Requests {
			return fmt.Errorf("slower: %d is not allowed: want at most requests, %d", n, s.Requests)
		}
	}
	for _, f := range []struct {
		name  string
		value *float64
	}{
		{"cpu_us_per_request", s.CPUUS}, {"p50_ms", s.P50MS}, {"p90_ms", s.P90MS}, {"p99_ms", s.P99MS},
		{"closed_qps", s.QPS}, {"memory_mib", s.MemoryMiB},
	} {
		if f.value != nil && !(*f.value >= 0) {
			return fmt.Errorf("%s: %v is not allowed: want 0 or more", f.name, *f.value)
		}
	}
	return nil
}

// Read reads a gate.json.
func Read(path string) (*Record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read rounds: %w: want the %s of a gate's report", err, FileRecord)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, fmt.Errorf("read rounds: %s is empty: want the %s of a gate's report", path, FileRecord)
	}
	r, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("read rounds: %s %w", path, err)
	}
	return r, nil
}

func parse(b []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("is no record: %w", err)
	}
	if r.Schema != SchemaV1 {
		return nil, fmt.Errorf("has the schema %q: want %q", r.Schema, SchemaV1)
	}
	for i := range r.Samples {
		if err := r.Samples[i].validate(); err != nil {
			return nil, fmt.Errorf("holds what no gate measures: samples[%d].%w", i, err)
		}
	}
	if r.Measured() == 0 {
		return nil, fmt.Errorf("holds no rounds: want the %s of a gate that measured", FileRecord)
	}
	if r.Margins.Together == 0 {
		r.Margins.Together = r.Margins.CPU
	}
	return &r, nil
}

// Write writes the record to path.
func (r *Record) Write(path string) error {
	r.Schema = SchemaV1
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write rounds: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write rounds: %w", err)
	}
	return nil
}

// Measured is the number of rounds in which every workload was measured.
func (r *Record) Measured() int {
	most := 0
	for _, s := range r.Samples {
		most = max(most, s.Round)
	}
	return most
}

// KeepWhole removes the samples of a last round in which not every workload was measured, and returns the number of rounds that are left.
func (r *Record) KeepWhole() int {
	last := r.Measured()
	for _, w := range r.Workloads {
		if r.sample(w, Base, last) == nil {
			r.Samples = slices.DeleteFunc(r.Samples, func(s Sample) bool { return s.Round == last })
			return max(last-1, 0)
		}
	}
	return last
}

// sample is one arm's in a round; nil where there is none.
func (r *Record) sample(workload, arm string, round int) *Sample {
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Round == round && s.Arm == arm && s.Workload == workload {
			return s
		}
	}
	return nil
}
