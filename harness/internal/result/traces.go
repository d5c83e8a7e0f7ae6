package result

// Traces is what a stage's collector of traces received and found, of all attacks and rounds, warm-ups included.
type Traces struct {
	Sample   float64           `json:"sample"` // share of the requests without a trace that the gateways were to trace, 0 to 1
	Traces   uint64            `json:"traces"`
	Spans    uint64            `json:"spans"`
	Whole    uint64            `json:"whole"`              // traces without a fault
	Paths    map[string]uint64 `json:"paths,omitempty"`    // whole traces by the services that they came to: "worker > gateway > origin"
	Services map[string]uint64 `json:"services,omitempty"` // spans by service
	Faults   map[string]uint64 `json:"faults,omitempty"`   // traces by fault; one may have several
	Examples []TraceExample    `json:"examples,omitempty"` // a few of each fault

	Begun    uint64  `json:"begun"`              // traces that a gateway began
	Requests *uint64 `json:"requests,omitempty"` // that the gateways answered and that came without a trace
	Clients  uint64  `json:"clients"`            // traces that the worker began, with the probes
	// OriginRequests is how many requests the origins counted, and OriginTraced how many of them had a traceparent.
	OriginRequests *uint64 `json:"origin_requests,omitempty"`
	OriginTraced   *uint64 `json:"origin_traced,omitempty"`

	Dropped uint64 `json:"dropped"` // spans that the collector did not keep
	Refused uint64 `json:"refused"` // exports that it could not read
	Lost    uint64 `json:"lost"`    // spans that the origins could not send
}

// TraceExample is a trace with a fault.
type TraceExample struct {
	Trace  string `json:"trace"` // its id
	Fault  string `json:"fault"`
	Detail string `json:"detail"`
}
