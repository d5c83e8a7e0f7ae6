package result

// Experiment is the outcome of faults injected under load, as a whole; Faults has
// each of them.
type Experiment struct {
	Passed       bool          `json:"passed"` // every expectation was met
	Expectations []Expectation `json:"expectations"`
	Entries      []Entry       `json:"entries"` // what probes saw, by entry point and kind of request
	Writes       *Writes       `json:"writes,omitempty"`
	Cost         *FaultCost    `json:"cost,omitempty"`
	Timeline     []Moment      `json:"timeline,omitempty"`
	Bands        []Band        `json:"bands,omitempty"` // when faults were at work
	// CapacityQPS is what the lab carries of an open loop, of which the load is a
	// share: by the cores' use at a quarter of the closed loop's rate. Absent: the
	// rate was stated.
	CapacityQPS *float64 `json:"capacity_qps,omitempty"`
	Drift       []Drift  `json:"drift,omitempty"` // by node
	// Limit is what a limit on all requests admitted.
	Limit *LimitHeld `json:"limit,omitempty"`
	// Tokens is what a limit of tokens admitted.
	Tokens *TokensHeld `json:"tokens,omitempty"`
	// Regions are what each of several regions met; Together is what they admitted of one limit.
	Regions  []Region       `json:"regions,omitempty"`
	Together *LimitTogether `json:"together,omitempty"`
}

// Region is one of several sets of gateways, with a balancer and a Redis of its own.
type Region struct {
	Name     string            `json:"name"`
	Nodes    []string          `json:"nodes"`
	Requests uint64            `json:"requests"` // of the load
	Failed   uint64            `json:"failed"`
	Errors   map[string]uint64 `json:"errors,omitempty"` // of the load, by kind
	// Writes through the Admin APIs of the region's gateways; in the faults those that were sent while one was at work.
	Writes       WriteCount `json:"writes"`
	FaultyWrites WriteCount `json:"faulty_writes"`
	// Changes from the first region's answer until every gateway of this region that answers serves them: before the first fault, and
	// from then on.
	Visible     Followed `json:"visible"`
	LateVisible Followed `json:"late_visible"`
	// CaughtUpMS is from the end of the last fault until the region served a change made after it.
	CaughtUpMS *float64 `json:"caught_up_ms,omitempty"`
}

// Followed is how long changes took to be served.
type Followed struct {
	Changes uint64   `json:"changes"`
	P50MS   *float64 `json:"p50_ms,omitempty"`
	MaxMS   *float64 `json:"max_ms,omitempty"`
}

// WriteCount is of changes sent to Admin APIs.
type WriteCount struct {
	Sent         uint64 `json:"sent"`
	Acknowledged uint64 `json:"acknowledged"`
}

// LimitTogether is what all regions admitted of one limit, which each of them counts for itself.
type LimitTogether struct {
	Permits int         `json:"permits"` // of each window
	Windows int         `json:"windows"` // without a fault
	Share   float64     `json:"share"`   // admitted in them, of the limit: 1 is the limit, 2 twice as much
	Fullest uint64      `json:"fullest"` // admitted in any window, of requests that were under way in that window only
	Faulty  WindowsHeld `json:"faulty"`  // windows in which a fault was at work
}

// LimitHeld is what a limit on all requests admitted, window by window. A request is in the window in which it was sent; one that was
// under way when a window ended may have been counted in either.
type LimitHeld struct {
	Permits  int           `json:"permits"`  // of each window
	WindowS  float64       `json:"window_s"` // its length
	Whole    WindowsHeld   `json:"whole"`    // windows without a fault
	Faulty   WindowsHeld   `json:"faulty"`   // windows in which a fault was at work
	Fullest  uint64        `json:"fullest"`  // admitted in any window without a fault, of requests that were under way in that window only
	Crowded  uint64        `json:"crowded"`  // the same of windows with a fault
	Windows  []LimitWindow `json:"windows"`
	Commands *float64      `json:"commands,omitempty"`  // to Redis, scripts, per request of the load
	CPURatio *float64      `json:"cpu_ratio,omitempty"` // gateways' CPU time per request: with a limit that is not reached / without one
	CPUFree  *float64      `json:"cpu_free_us,omitempty"`
	CPUCount *float64      `json:"cpu_counted_us,omitempty"`
}

// WindowsHeld are several windows together.
type WindowsHeld struct {
	Windows  int     `json:"windows"`
	Allowed  uint64  `json:"allowed"`
	Admitted uint64  `json:"admitted"`
	Share    float64 `json:"share"` // admitted of allowed; 0 without windows
}

// LimitWindow is one window.
type LimitWindow struct {
	OffsetS  float64 `json:"offset_s"` // of its beginning from the load's
	Admitted uint64  `json:"admitted"` // at most Limit.Permits: what was under way at an end is not counted twice
	Certain  uint64  `json:"certain"`  // of requests that were under way in this window only
	Asked    uint64  `json:"asked"`
	Faulty   bool    `json:"faulty"`
}

// TokensHeld is what a limit of tokens admitted in the load's one window.
type TokensHeld struct {
	Limit   uint64  `json:"limit"`
	Served  uint64  `json:"served"`  // by the origins' own count
	Counted uint64  `json:"counted"` // by the gateways, as they tell a client that is refused
	Failed  uint64  `json:"failed"`  // requests that failed: what they had reserved may remain counted
	Share   float64 `json:"share"`   // served of the limit
}

// What an Expectation can be about, where others count on the words.
const (
	WhatIdempotent = "idempotent requests failed"
	WhatAny        = "requests of any kind failed"
)

// Drift is what a node held at the beginning of the load and at its end: medians
// of the first and of the last tenth of the readings. Goroutines are a gateway's.
type Drift struct {
	Node            string   `json:"node"`
	MemoryFirstMiB  *float64 `json:"memory_first_mib,omitempty"`
	MemoryLastMiB   *float64 `json:"memory_last_mib,omitempty"`
	GoroutinesFirst *float64 `json:"goroutines_first,omitempty"`
	GoroutinesLast  *float64 `json:"goroutines_last,omitempty"`
	Restarts        uint64   `json:"restarts,omitempty"` // of a gateway: it began anew so often
}

// Expectation is one thing that the experiment was to show.
type Expectation struct {
	What string `json:"what"`
	Want string `json:"want"`
	Saw  string `json:"saw"`
	Met  bool   `json:"met"`
}

// Entry is what probes of one kind saw at one entry point. Only what is for
// Information does not decide: clients go through the balancers.
type Entry struct {
	Name        string  `json:"name"`   // lb, lb-2, gateway-1
	Method      string  `json:"method"` // GET or POST
	Information bool    `json:"information"`
	RatePerS    float64 `json:"rate_per_s"`
	Availability
	OutageMS        float64           `json:"outage_ms"`         // all outages together
	LongestOutageMS float64           `json:"longest_outage_ms"` // from the first bad probe to the last
	ResolutionMS    float64           `json:"resolution_ms"`
	Failures        map[string]uint64 `json:"failures,omitempty"` // by kind and by who said so
}

// Writes is what became of configuration that was written during the faults.
type Writes struct {
	Sent         uint64   `json:"sent"`
	Acknowledged uint64   `json:"acknowledged"`
	Lost         uint64   `json:"lost"`     // acknowledged, and not there afterwards on some replica
	Half         uint64   `json:"half"`     // there, but not as it was written
	Unknown      uint64   `json:"unknown"`  // without an answer; may be there or not, but whole
	Followed     uint64   `json:"followed"` // of which it was measured when each living replica served them
	VisibleP50MS *float64 `json:"visible_p50_ms,omitempty"`
	VisibleMaxMS *float64 `json:"visible_max_ms,omitempty"`
}

// FaultCost is the effect of such faults on a month of 30 days.
type FaultCost struct {
	FaultsPerMonth      float64 `json:"faults_per_month"` // assumed
	Objective           float64 `json:"objective"`        // assumed
	Faults              int     `json:"faults"`           // of this run, over which the loss is spread
	LostSPerFault       float64 `json:"lost_s_per_fault"` // error-seconds: bad probes times their distance
	MonthlyAvailability float64 `json:"monthly_availability"`
	BudgetSpent         float64 `json:"budget_spent"` // of the month's error budget; 1 is all of it
}

// Moment is one second: who answered the idempotent probes at the balancers.
type Moment struct {
	Offset int               `json:"offset"` // seconds from the beginning of the open attack's measured window
	Nodes  map[string]uint64 `json:"nodes"`
	Failed uint64            `json:"failed"`
}

// Band is the time in which one fault was at work.
type Band struct {
	FromS float64 `json:"from_s"`
	ToS   float64 `json:"to_s"`
	Label string  `json:"label"`
}

// Best is the availability by probes of a method at the load balancer at which fewest
// failed: where one of two is broken, a client goes to the other.
func (x *Experiment) Best(method string) (out *Availability) {
	for i := range x.Entries {
		e := &x.Entries[i]
		if !e.Information && e.Method == method && (out == nil || e.Failed < out.Failed) {
			out = &e.Availability
		}
	}
	return out
}
