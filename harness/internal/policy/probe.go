package policy

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// Probe is one question whose answer tells whether an arm behaves as its policy says. The origin's /anything echoes what it was sent, so
// probes can look at both sides of the gateway.
type Probe struct {
	Name   string            `yaml:"name"`
	Method string            `yaml:"method,omitempty"` // GET
	Path   string            `yaml:"path"`
	Header map[string]string `yaml:"header,omitempty"`
	Body   string            `yaml:"body,omitempty"`
	Token  string            `yaml:"token,omitempty"` // a bearer token of that kind: TokenValid, ...
	Count  int               `yaml:"count,omitempty"` // how often it is sent, one after the other; 0 is once
	// Addresses is how many client addresses send it, in turn: as those of Traffic, sent as X-Real-IP.
	Addresses int `yaml:"addresses,omitempty"`
	// SameWindow sends it in the windows of the limits in which the probe before it was sent.
	SameWindow bool `yaml:"same_window,omitempty"`

	Status  int               `yaml:"status"`            // of each; with Passes of those that pass
	Passes  *Range            `yaml:"passes,omitempty"`  // how many of Count have Status; the others are Refused
	Refused int               `yaml:"refused,omitempty"` // status of those that do not pass; 0 is 429
	Reach   *Range            `yaml:"reach,omitempty"`   // how many of Count reach the origin
	Spread  bool              `yaml:"spread,omitempty"`  // each of the policy's origins gets half of its fair share of Count at least
	Has     map[string]string `yaml:"has,omitempty"`     // headers of the answer
	Lacks   []string          `yaml:"lacks,omitempty"`   // headers that the answer must not have
	Seen    Sight             `yaml:"seen,omitempty"`    // what the origin saw; the body must be its echo
	JSON    map[string]any    `yaml:"json,omitempty"`    // fields of the answer, by dotted path
	NoJSON  []string          `yaml:"no_json,omitempty"` // fields that the answer must not have
	Same    bool              `yaml:"same,omitempty"`    // all arms give the same body, and the same SameHeaders
	Ahead   time.Duration     `yaml:"ahead,omitempty"`   // how long before the answer's end its body begins at least
	Differs string            `yaml:"differs,omitempty"` // the answer's body is another one than that of the probe of this name
	// Talk is what is said on the WebSocket that the request opens; nil: it opens none.
	Talk *Talk `yaml:"talk,omitempty"`
}

// Talk is a conversation on a WebSocket with an origin that sends back what it gets. Each part is left out where it is empty.
type Talk struct {
	Text   string `yaml:"text,omitempty"`   // a text message, echoed as one
	Binary int    `yaml:"binary,omitempty"` // length of a binary message, echoed as one
	Ping   string `yaml:"ping,omitempty"`   // payload of a ping, which the pong repeats
	Close  int    `yaml:"close,omitempty"`  // the code with which the client ends it, and which comes back
	Ends   int    `yaml:"ends,omitempty"`   // the code with which the origin ends it
}

// Address is the client address that sends the n-th request of a probe, from 0; empty: the probe has none.
func (pr *Probe) Address(n int) string {
	if pr.Addresses == 0 {
		return ""
	}
	return string(load.AppendAddress(nil, n%pr.Addresses))
}

// SameHeaders are the headers that a gateway passes on as they are, where a probe's answers are to be the same.
func SameHeaders() []string {
	return []string{"Content-Type", "Content-Length", "Cache-Control", "Etag", "Vary", "Last-Modified", "X-Origin-Body"}
}

// Sight is what the origin saw of a request.
type Sight struct {
	Has    map[string]string `yaml:"has,omitempty"`     // headers
	Lacks  []string          `yaml:"lacks,omitempty"`   // headers
	Path   string            `yaml:"path,omitempty"`    // path and query
	JSON   map[string]any    `yaml:"json,omitempty"`    // fields of the body, by dotted path
	NoJSON []string          `yaml:"no_json,omitempty"` // fields that the body must not have
}

// Empty says that nothing is asked.
func (s Sight) Empty() bool {
	return len(s.Has)+len(s.Lacks)+len(s.JSON)+len(s.NoJSON) == 0 && s.Path == ""
}

// Range is a number of requests, both ends included.
type Range struct {
	Min int `yaml:"min"`
	Max int `yaml:"max"`
}

// Holds says whether n is within the range.
func (r Range) Holds(n int) bool { return n >= r.Min && n <= r.Max }
