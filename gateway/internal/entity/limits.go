package entity

// What the counters of the rate-limiting plugins can count. The data plane
// refuses the rest, and with it the whole configuration: what it would refuse
// must not be stored.
const (
	maxWindow  = 1<<31 - 1 // seconds, 68 years
	maxWindows = 8         // limit.MaxWindows
	maxSync    = 86400     // seconds
)

// someWindows is how many windows one plugin may have.
func someWindows(f *Field) { f.LenMin, f.LenMax = 1, maxWindows }

// errorCode is the status of a refused request.
func errorCode() Field { return integer("error_code", 429).with(between(100, 999)) }

// syncRate is how often counters are exchanged with Redis, in seconds; 0 and
// less are modes of their own.
func syncRate() Field {
	return Field{Name: "sync_rate", Kind: Number, Between: &[2]float64{-1, maxSync}}
}

// leastSync is the shortest time between two exchanges, in seconds: shorter
// ones would do nothing else.
const leastSync = 0.02

// patientSync refuses a sync_rate that is neither a mode nor an interval.
func patientSync(c Record) map[string]any {
	if n := number(c["sync_rate"]); n > 0 && n < leastSync || n < 0 && n != -1 {
		return map[string]any{"sync_rate": "value should be -1, 0, or at least 0.02 seconds"}
	}
	return nil
}
