package entity

import (
	"strconv"
	"time"
)

// Trial is a configuration that a part of the requests is served with, beside the
// one that holds, until it is promoted or dropped.
type Trial struct {
	ID      string
	Name    string
	Rules   TrialRules
	Started time.Time
	Config  *Config // nil: it cannot be read
	Problem string  // why it cannot be read
}

// TrialRules say which requests take part in a trial, and when it ends.
type TrialRules struct {
	Percent     float64  `json:"percent"` // of the requests
	HashOn      string   `json:"hash_on"` // HashOnNone or HashOnIP: what decides about the percentage
	Header      string   `json:"header,omitempty"`
	HeaderValue string   `json:"header_value,omitempty"`
	Replicas    []string `json:"replicas,omitempty"` // node names; all of their requests take part

	MaxErrors   *float64 `json:"max_errors,omitempty"`   // percent of requests with status 500 and above
	MaxP99      int64    `json:"max_p99,omitempty"`      // milliseconds; 0: no limit
	Window      int64    `json:"window"`                 // seconds
	MinRequests int64    `json:"min_requests,omitempty"` // in the window, before anything is concluded

	Lasts int64  `json:"lasts"` // seconds
	Then  string `json:"then"`  // ThenDrop or ThenPromote
}

// What decides whether a request belongs to the percentage.
const (
	HashOnNone = "none" // chance, anew for each request
	HashOnIP   = "ip"   // the address of the client: the same on every replica
)

// What becomes of a trial when its time is over.
const (
	ThenDrop    = "drop"
	ThenPromote = "promote"
)

// HasObjectives reports whether a trial can fail.
func (r *TrialRules) HasObjectives() bool { return r.MaxErrors != nil || r.MaxP99 > 0 }

// TrialCounts are requests that were served while a trial ran, with one of the two
// configurations.
type TrialCounts struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"` // answered with 500 and above
	Slow     int64 `json:"slow"`   // that took longer than max_p99
}

// Plus adds up two counts.
func (c TrialCounts) Plus(o TrialCounts) TrialCounts {
	return TrialCounts{c.Requests + o.Requests, c.Errors + o.Errors, c.Slow + o.Slow}
}

// Minus is what was counted since o.
func (c TrialCounts) Minus(o TrialCounts) TrialCounts {
	return TrialCounts{c.Requests - o.Requests, c.Errors - o.Errors, c.Slow - o.Slow}
}

// TrialSchema is the schema of what a client says about a trial, beside its
// configuration. It is no entity: there is no collection of them in the database.
func TrialSchema() *Schema {
	return &Schema{
		Name: "trials", Singular: "trial", EndpointKey: "name",
		Fields: append([]Field{
			idField(),
			str("name").with(match("name")).with(required),
			Field{Name: "percent", Kind: Number, Default: 0}.with(required).with(between(0, 100)),
			str("hash_on").with(def(HashOnNone)).with(required).with(oneOf(HashOnNone, HashOnIP)),
			str("header").with(match("header")),
			str("header_value"),
			setOf("replicas", str("")),
			Field{Name: "max_errors", Kind: Number}.with(between(0, 100)),
			integer("max_p99", nil).with(between(1, MaxTimeout)),
			integer("window", 30).with(required).with(between(1, 3600)),
			integer("min_requests", 20).with(required).with(between(1, 1_000_000)),
			integer("lasts", 3600).with(required).with(between(1, 7*24*3600)),
			str("then").with(def(ThenDrop)).with(required).with(oneOf(ThenDrop, ThenPromote)),
		}, stamps()...),
		Checks: []Check{{Run: trialSelects}, {Run: trialConcludes}},
	}
}

// trialSelects: a trial without requests would only keep others from changing
// anything.
func trialSelects(r Record) map[string]any {
	header, value := r["header"], r["header_value"]
	if (header == nil) != (value == nil) {
		return map[string]any{"header": "want header and header_value together: the field's name, and the value that takes part"}
	}
	list, _ := r["replicas"].([]any)
	if header == nil && len(list) == 0 && number(r["percent"]) == 0 {
		return map[string]any{"@entity": []any{"at least one of these fields must say which requests take part: " +
			"'percent' (above 0), 'header', 'replicas'"}}
	}
	return nil
}

// trialConcludes: without an objective there is nothing to promote a trial by.
func trialConcludes(r Record) map[string]any {
	if r["then"] == ThenPromote && r["max_errors"] == nil && r["max_p99"] == nil {
		return map[string]any{"then": "promote wants max_errors or max_p99: a trial is promoted by what it was measured by"}
	}
	return nil
}

// TrialRunning is the error of a change that is made while a trial runs.
func TrialRunning(name string) *Error {
	return &Error{
		Code: CodeTrial, Name: "trial running", Fields: map[string]any{"trial": name},
		Message: "the trial " + strconv.Quote(name) + " is running, and what is tried is to be what is promoted: promote it " +
			"(POST /trials/" + name + "/promote) or drop it (DELETE /trials/" + name + ") before other changes",
	}
}
