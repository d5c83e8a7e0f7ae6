package load

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Models of load.
const (
	Open   = "open"   // at a fixed rate
	Closed = "closed" // a number of connections, each sends when it has its response
	Probes = "probe"  // open at a low rate, every response kept: for availability
)

// Attack says what to send, how fast and for how long. Durations are
// nanoseconds in JSON, as Go has them.
type Attack struct {
	ID          string        `json:"id"`
	Model       string        `json:"model"`             // Open, Closed or Probes
	Target      string        `json:"target"`            // http://host:port or https://host:port, without a path
	Standby     string        `json:"standby,omitempty"` // likewise: used for connections that the target refuses
	Rate        float64       `json:"rate"`              // requests per second: Open, Probes
	Connections int           `json:"connections"`       // Closed; for Open the limit, beyond which requests wait; 0: MaxWorkers
	MaxWorkers  int           `json:"max_workers"`       // Open: requests that may be in flight; 0 is DefaultMaxWorkers
	Warmup      time.Duration `json:"warmup"`            // sent before the measured window, not counted
	Duration    time.Duration `json:"duration"`          // of the measured window
	Timeout     time.Duration `json:"timeout"`           // of one request; 0 is DefaultTimeout

	// TLS says whom an https target is; nil where the target is http.
	TLS *TLS `json:"tls,omitempty"`
	// Streams makes the client speak HTTP/2, with so many requests at a time on each of Connections; 0: HTTP/1.1, one request at a time.
	// HTTP/2 needs an https target.
	Streams int `json:"streams,omitempty"`
	// Reconnect ends a connection after its first response, so that each request has a connection, and a full handshake, of its own.
	Reconnect bool `json:"reconnect,omitempty"`
	// WebSocket makes each connection a WebSocket, opened at the path of the one request with its header. A request is then a text message of
	// its body, and its response the message that comes back, which must be the same.
	WebSocket bool `json:"websocket,omitempty"`

	// Seed makes the choice of requests repeatable.
	Seed      uint64          `json:"seed"`
	Requests  []Request       `json:"requests"`
	Consumers []ConsumerGroup `json:"consumers"`

	// SampleEvery checks the body's hash of every n-th response: 1 is all of
	// them, 0 none.
	SampleEvery int `json:"sample_every"`

	// LatencyOf are names of requests whose latency is kept by itself as well, in Result.LatencyByRequest.
	LatencyOf []string `json:"latency_of,omitempty"`

	// KeepRaw keeps every request of an open attack's measured window in
	// Result.Raw, up to MaxRaw of them, so that others can compute the figures
	// again.
	KeepRaw bool `json:"keep_raw,omitempty"`

	// Shape is how the rate of an open attack changes over its measured window; none: it stays.
	Shape []Segment `json:"shape,omitempty"`
	// Arrivals says how requests follow each other at a rate: Even or Poisson.
	Arrivals string `json:"arrivals,omitempty"`

	// Trace begins a trace with every request of model Probes, of which spans are recorded: the request has a traceparent, and Probe.Trace
	// its ids.
	Trace bool `json:"trace,omitempty"`

	// Beside is the ID of another attack that may be under way meanwhile, as where two places have clients of their own. Both then share
	// the worker's cores. Probes need none.
	Beside string `json:"beside,omitempty"`

	// Part is this worker's part of an attack that several workers make together; nil: it makes all of it.
	Part *Part `json:"part,omitempty"`
	// Begin is when the attack, with its warm-up, begins by the worker's clock; nil: at once. A worker that is late for it is late with its
	// requests: they are due from Begin on.
	Begin *time.Time `json:"begin,omitempty"`
}

// Request is one kind of request of an attack.
type Request struct {
	Name   string            `json:"name"`
	Method string            `json:"method"`         // empty is GET
	Path   string            `json:"path"`           // {id} is drawn from 1 to IDs
	Body   string            `json:"body,omitempty"` // {id} is replaced as in the path
	Header map[string]string `json:"header,omitempty"`
	Weight float64           `json:"weight"` // share of all requests, relative; a lone request may leave it 0
	IDs    int               `json:"ids,omitempty"`
	// Addresses is from how many client addresses the request comes: one is drawn for every request, and sent as X-Real-IP. 0: none is sent.
	Addresses int `json:"addresses,omitempty"`
	// Zipf is the exponent s of the ids' popularity, which falls with 1/id^s; 0
	// makes all alike.
	Zipf      float64  `json:"zipf,omitempty"`
	Consumers []string `json:"consumers,omitempty"` // groups that send it; none is all groups
	Expect    []int    `json:"expect,omitempty"`    // statuses that are a success; none is 200
	// LimitedOK makes a 429 that the gateway itself sent "limited", which is
	// no failure.
	LimitedOK bool `json:"limited_ok,omitempty"`
}

// ConsumerGroup is a number of consumers that behave alike. An attack without
// groups sends no key.
type ConsumerGroup struct {
	Name   string   `json:"name"`
	Keys   []string `json:"keys"` // one is drawn for every request and sent as header "apikey"
	Weight float64  `json:"weight"`
}

// Placeholder stands for the drawn id in a request's path and body.
const Placeholder = "{id}"

// Defaults and limits of an attack.
const (
	DefaultTimeout    = 10 * time.Second
	DefaultMaxWorkers = 10_000
	MaxRaw            = 100_000 // of Result.Raw
	MaxConnections    = 20_000
	maxRate           = 200_000
	MaxDuration       = time.Hour
	MaxStreams        = 1000
	MaxAddresses      = 1 << 17
	maxIDs            = 1_000_000
)

// WithDefaults fills in what may be left out.
func (a Attack) WithDefaults() Attack {
	if a.Timeout == 0 {
		a.Timeout = DefaultTimeout
	}
	if a.MaxWorkers == 0 {
		a.MaxWorkers = DefaultMaxWorkers
	}
	return a
}

// Validate returns an error that names the first invalid field.
func (a Attack) Validate() error {
	if err := a.validateShape(); err != nil {
		return err
	}
	if err := a.validatePart(); err != nil {
		return err
	}
	if err := a.validateArrivals(); err != nil {
		return err
	}
	if len(a.Requests) == 0 {
		return fmt.Errorf("requests: want at least one")
	}
	for i, name := range a.LatencyOf {
		if !slices.ContainsFunc(a.Requests, func(r Request) bool { return r.Name == name }) {
			return fmt.Errorf("latency_of[%d]: %q is not allowed: want the name of a request", i, name)
		}
	}
	groups := make(map[string]bool, len(a.Consumers))
	for i, g := range a.Consumers {
		switch {
		case g.Name == "" || groups[g.Name]:
			return fmt.Errorf("consumers[%d].name: %q is empty or a duplicate", i, g.Name)
		case len(g.Keys) == 0:
			return fmt.Errorf("consumers[%d].keys: want at least one", i)
		case !share(g.Weight):
			return fmt.Errorf("consumers[%d].weight: %v is not allowed: want 0 or more", i, g.Weight)
		}
		for _, k := range g.Keys {
			if k == "" || strings.ContainsAny(k, "\r\n") {
				return fmt.Errorf("consumers[%d].keys: %q cannot be a header's value", i, k)
			}
		}
		groups[g.Name] = true
	}
	names := make(map[string]bool, len(a.Requests))
	for i, r := range a.Requests {
		if err := r.validate(groups); err != nil {
			return fmt.Errorf("requests[%d].%w", i, err)
		}
		if names[r.Name] {
			return fmt.Errorf("requests[%d].name: %q is a duplicate", i, r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

func (a Attack) validateShape() error {
	if err := a.validateWire(); err != nil {
		return err
	}
	switch a.Model {
	case Open, Probes:
		if !(a.Rate > 0 && a.Rate <= maxRate) {
			return fmt.Errorf("rate: %v is not allowed: want above 0, to %d", a.Rate, maxRate)
		}
		if a.Connections < 0 || a.Connections > MaxConnections {
			return fmt.Errorf("connections: %d is not allowed: want 0 to %d", a.Connections, MaxConnections)
		}
	case Closed:
		if a.Connections < 1 || a.Connections > MaxConnections {
			return fmt.Errorf("connections: %d is not allowed: want 1 to %d", a.Connections, MaxConnections)
		}
	default:
		return fmt.Errorf("model: %q is not known: want %s, %s or %s", a.Model, Open, Closed, Probes)
	}
	switch {
	case a.Duration <= 0 || a.Duration > MaxDuration:
		return fmt.Errorf("duration: %v is not allowed: want above 0, to %v", a.Duration, MaxDuration)
	case a.Warmup < 0 || a.Warmup > MaxDuration:
		return fmt.Errorf("warmup: %v is not allowed: want 0 to %v", a.Warmup, MaxDuration)
	case a.Timeout < 0:
		return fmt.Errorf("timeout: %v is not allowed: want 0 or more", a.Timeout)
	case a.MaxWorkers < 0:
		return fmt.Errorf("max_workers: %d is not allowed: want 0 or more", a.MaxWorkers)
	case a.SampleEvery < 0:
		return fmt.Errorf("sample_every: %d is not allowed: want 0 or more", a.SampleEvery)
	}
	return nil
}

func (r Request) validate(groups map[string]bool) error {
	switch {
	case r.Name == "":
		return fmt.Errorf("name: want one")
	case !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, " \r\n"):
		return fmt.Errorf("path: %q is not allowed: want one that begins with / and has no space", r.Path)
	case strings.ContainsAny(r.Method, " \r\n"):
		return fmt.Errorf("method: %q is not allowed", r.Method)
	case !share(r.Weight):
		return fmt.Errorf("weight: %v is not allowed: want 0 or more", r.Weight)
	case r.IDs < 0 || r.IDs > maxIDs:
		return fmt.Errorf("ids: %d is not allowed: want 0 to %d", r.IDs, maxIDs)
	case r.IDs == 0 && strings.Contains(r.Path, Placeholder):
		return fmt.Errorf("ids: want 1 or more, as the path has %s", Placeholder)
	case r.Addresses < 0 || r.Addresses > MaxAddresses:
		return fmt.Errorf("addresses: %d is not allowed: want 0 to %d", r.Addresses, MaxAddresses)
	case r.Addresses > 0 && slices.ContainsFunc(slices.Collect(maps.Keys(r.Header)), isAddressHeader):
		return fmt.Errorf("addresses: %s is set by header, too", AddressHeader)
	case !share(r.Zipf) || r.Zipf > 10:
		return fmt.Errorf("zipf: %v is not allowed: want 0 to 10", r.Zipf)
	}
	for k, v := range r.Header {
		if k == "" || strings.ContainsAny(k, " :\r\n") || strings.ContainsAny(v, "\r\n") {
			return fmt.Errorf("header: %q: %q cannot be sent", k, v)
		}
		switch strings.ToLower(k) {
		case "content-length", "transfer-encoding", "connection", "expect", "upgrade", "accept-encoding":
			return fmt.Errorf("header: %q is the worker's own to set", k)
		}
	}
	for _, c := range r.Consumers {
		if !groups[c] {
			return fmt.Errorf("consumers: there is no group %q", c)
		}
	}
	for _, s := range r.Expect {
		if s < 100 || s > 599 {
			return fmt.Errorf("expect: %s is no status", strconv.Itoa(s))
		}
	}
	return nil
}

func share(w float64) bool { return w >= 0 && !math.IsInf(w, 0) && !math.IsNaN(w) }
