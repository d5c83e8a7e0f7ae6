package collector

import (
	"maps"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// Summary is what was received since the start or the last reset, and what was found in it.
type Summary struct {
	Spans    uint64            `json:"spans"`
	Traces   uint64            `json:"traces"`
	Whole    uint64            `json:"whole"`    // traces without a fault
	Services map[string]uint64 `json:"services"` // spans by service
	Paths    map[string]uint64 `json:"paths"`    // whole traces by the services that they came to: "worker > gateway > origin"
	Clients  uint64            `json:"clients"`  // traces that begin with a client's span
	Servers  uint64            `json:"servers"`  // traces that begin with a server's span
	Faults   map[string]uint64 `json:"faults"`   // traces by fault; one may have several
	Examples []Example         `json:"examples"`
	Dropped  uint64            `json:"dropped"`  // spans of traces beyond the limit, which are in no other figure
	Refused  uint64            `json:"refused"`  // exports that could not be read
	QuietMS  int64             `json:"quiet_ms"` // since the last span came, in ms; -1: none came
}

// Example is a trace with a fault.
type Example struct {
	Trace  string `json:"trace"` // its id
	Fault  string `json:"fault"`
	Detail string `json:"detail"`
}

// mostExamples bounds the examples of each fault.
const mostExamples = 3

// summarize checks every trace.
func (s *store) summarize() Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Summary{
		Spans: s.spans, Traces: uint64(len(s.traces)), Services: map[string]uint64{}, Paths: map[string]uint64{},
		Faults: map[string]uint64{}, Examples: []Example{}, Dropped: s.dropped, Refused: s.refused, QuietMS: -1,
	}
	if !s.last.IsZero() {
		out.QuietMS = time.Since(s.last).Milliseconds()
	}
	elsewhere := s.foreign()
	ids := slices.SortedFunc(maps.Keys(s.traces), func(a, b otlp.TraceID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids { // sorted, so that the examples of one state are the same
		spans := s.traces[id]
		for i := range spans {
			out.Services[named(spans[i].Service)]++
		}
		out.add(id, check(spans, elsewhere))
	}
	return out
}

// add counts a trace.
func (s *Summary) add(id otlp.TraceID, t *tree) {
	if t.root != nil {
		switch t.root.Kind {
		case otlp.Client:
			s.Clients++
		case otlp.Server:
			s.Servers++
		}
	}
	if len(t.findings) == 0 {
		s.Whole++
		s.Paths[t.path()]++
		return
	}
	seen := map[string]bool{}
	for _, f := range t.findings {
		if seen[f.fault] {
			continue
		}
		seen[f.fault] = true
		s.Faults[f.fault]++
		if s.Faults[f.fault] <= mostExamples {
			s.Examples = append(s.Examples, Example{Trace: id.String(), Fault: f.fault, Detail: f.detail})
		}
	}
}

// foreign finds the trace of a span that is missing as a parent in another one.
func (s *store) foreign() func(otlp.SpanID) (otlp.TraceID, bool) {
	var index map[otlp.SpanID]otlp.TraceID // made if it is asked for: whole traces do not
	return func(id otlp.SpanID) (otlp.TraceID, bool) {
		if index == nil {
			index = make(map[otlp.SpanID]otlp.TraceID, s.spans)
			for trace, spans := range s.traces {
				for i := range spans {
					index[spans[i].ID] = trace
				}
			}
		}
		trace, ok := index[id]
		return trace, ok
	}
}
