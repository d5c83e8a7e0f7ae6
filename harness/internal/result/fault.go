package result

import "time"

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
	// ImpactMS is the duration of the impact: from the injection to the last probe
	// that failed or was slow, before a second without any. Absent: no probe was
	// affected.
	ImpactMS *float64 `json:"impact_ms,omitempty"`

	TimeToRecoverMS *float64 `json:"time_to_recover_ms,omitempty"` // recovery to the first of three answers of the target in a row
	ResolutionMS    *float64 `json:"resolution_ms,omitempty"`      // of the times above
	// RequestsFailed counts the load's own failures, idempotent ones apart.
	RequestsFailed   *uint64 `json:"requests_failed,omitempty"`
	IdempotentFailed *uint64 `json:"idempotent_failed,omitempty"`
	LostWrites       *uint64 `json:"lost_writes,omitempty"`
	// Paid counts the probes' failures of any kind by what they were and who
	// said so: which component paid for the fault.
	Paid map[string]uint64 `json:"paid,omitempty"`
}

// Longest is the largest of a time of all faults; nil where none has it.
func Longest(faults []Fault, of func(*Fault) *float64) *float64 {
	var longest *float64
	for i := range faults {
		if v := of(&faults[i]); v != nil && (longest == nil || *v > *longest) {
			longest = v
		}
	}
	return longest
}
