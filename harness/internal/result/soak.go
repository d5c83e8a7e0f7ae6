package result

// Verdicts of a soak.
const (
	SoakNone         = "no drift"
	SoakDrift        = "drift"
	SoakInconclusive = "inconclusive"
)

// Soak is whether a series grew over an open-loop attack, as a leak makes it grow: by the line through it (Theil and Sen), from the
// beginning of the measured window to its end.
type Soak struct {
	Metric  string   `json:"metric" jsonschema:"enum=memory,enum=goroutines,enum=p50,enum=p99"`
	Node    string   `json:"node,omitempty"` // whose it is; of latency none
	Unit    string   `json:"unit,omitempty"` // MiB, ms; goroutines have none
	Round   int      `json:"round"`
	Values  int      `json:"values"`             // that the line goes through
	Begin   *float64 `json:"begin,omitempty"`    // of the line
	Change  *float64 `json:"change,omitempty"`   // of the line until the end
	Low     *float64 `json:"low,omitempty"`      // of Change: bounds of the 95% interval
	High    *float64 `json:"high,omitempty"`     //
	PerHour *float64 `json:"per_hour,omitempty"` // Change, in an hour
	Allowed *float64 `json:"allowed,omitempty"`  // the growth that is allowed
	Verdict string   `json:"verdict" jsonschema:"enum=no drift,enum=drift,enum=inconclusive"`
	Why     string   `json:"why,omitempty"` // it is inconclusive
}
