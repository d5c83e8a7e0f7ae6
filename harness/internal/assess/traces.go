package assess

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/collector"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// Traces is what is known of a stage's traces: what the collector found, and what the nodes counted in the same time.
type Traces struct {
	Found    collector.Summary
	Probes   uint64 // that began a trace and that a gateway answered
	requests float64
	origin   uint64
	traced   uint64
	lost     uint64
	unknown  bool // a node did not answer
}

// Add takes over one round, from a reading before it to one after it.
func (t *Traces) Add(before, after readings.Reading) {
	n, ok := readings.Grown([]readings.Reading{before, after}, "gateway_requests_total")
	t.requests += n
	t.unknown = t.unknown || !ok || len(after.Gateways) < len(before.Gateways)
	for name, now := range after.Origins {
		then := before.Origins[name]
		if now == nil || then == nil || now.Requests < then.Requests {
			t.unknown = true
			continue
		}
		t.origin += now.Requests - then.Requests
		t.traced += now.Traced - then.Traced
		t.lost += now.SpansLost - then.SpansLost
	}
}

// tracesOf is what is known of a stage's traces in the report; nil for a stage without a collector.
func tracesOf(m *Measurement) *result.Traces {
	t := m.Traces
	if t == nil {
		return nil
	}
	f := &t.Found
	out := &result.Traces{
		Sample: m.Stage.Topology.Tracing.Sample, Traces: f.Traces, Spans: f.Spans, Whole: f.Whole, Paths: f.Paths, Services: f.Services,
		Faults: f.Faults, Begun: f.Servers, Clients: f.Clients, Dropped: f.Dropped, Refused: f.Refused, Lost: t.lost,
	}
	for _, e := range f.Examples {
		out.Examples = append(out.Examples, result.TraceExample(e))
	}
	if !t.unknown {
		out.Requests = new(uint64(max(0, t.requests-float64(t.Probes))))
		out.OriginRequests, out.OriginTraced = &t.origin, &t.traced
	}
	return out
}

// judgeTraces makes the checks of a stage's traces.
func (m *Measurement) judgeTraces(s *result.Stage) {
	t := s.Traces
	if t == nil {
		return
	}
	facts := measure.Tracing{
		Sample: t.Sample, Traces: t.Traces, Spans: t.Spans, Whole: t.Whole, Faults: t.Faults, Begun: t.Begun,
		Requests: t.Requests, Origin: t.OriginRequests, Traced: t.OriginTraced,
		Dropped: t.Dropped, Refused: t.Refused, Lost: t.Lost, Broken: len(m.Stage.Schedule()) > 0,
	}
	if len(t.Examples) > 0 {
		e := t.Examples[0]
		facts.Example = fmt.Sprintf("%s: %s: %s", e.Trace, e.Fault, e.Detail)
	}
	for _, c := range measure.CheckTraces(facts) {
		s.Checks = append(s.Checks, Checked(c, "all attacks"))
	}
}
