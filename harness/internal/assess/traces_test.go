package assess

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/collector"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// tracedStage is a stage in which half of the requests are traced.
func tracedStage() *scenario.Stage {
	s := &scenario.Stage{Name: "traced", Rounds: 1}
	s.Topology.Tracing = scenario.Tracing{On: true, Sample: 0.5}
	return s
}

func originOf(requests, traced, lost uint64) map[string]*readings.OriginStats {
	return map[string]*readings.OriginStats{"origin": {Requests: requests, Traced: traced, SpansLost: lost}}
}

// What the collector found and what the nodes counted are in the report, and checked.
func TestTracesInTheReport(t *testing.T) {
	traces := &Traces{Probes: 10, Found: collector.Summary{
		Traces: 60, Spans: 300, Whole: 59, Servers: 50, Clients: 10, Faults: map[string]uint64{collector.MissingParent: 1},
		Examples: []collector.Example{{Trace: "ab", Fault: collector.MissingParent, Detail: "kong"}},
	}}
	gateways := func(n string) map[string]readings.Metrics {
		text := "# TYPE gateway_requests_total counter\ngateway_requests_total{status=\"200\"} " + n + "\n"
		return map[string]readings.Metrics{"gateway-1": gatewayWith(t, text)}
	}
	traces.Add(readings.Reading{Gateways: gateways("20"), Origins: originOf(100, 100, 0)},
		readings.Reading{Gateways: gateways("130"), Origins: originOf(210, 209, 2)})
	m := &Measurement{Stage: tracedStage(), Traces: traces}
	s, _ := m.Result()
	got := s.Traces
	if got == nil || *got.Requests != 100 || *got.OriginRequests != 110 || *got.OriginTraced != 109 || got.Lost != 2 || got.Begun != 50 ||
		got.Sample != 0.5 || len(got.Examples) != 1 {
		t.Fatalf("traces %+v", got)
	}
	verdicts := map[string]measure.Verdict{}
	for _, c := range s.Checks {
		verdicts[c.Name] = c.Verdict
		if c.Name == "traces whole" && !strings.HasSuffix(c.Saw, "1 missing parent; as in ab: missing parent: kong") {
			t.Errorf("saw %s", c.Saw)
		}
	}
	for name, want := range map[string]measure.Verdict{
		"traces whole": measure.Invalid, "traces sampled": measure.OK, "trace context at the origin": measure.OK,
		"spans collected": measure.Invalid,
	} {
		if verdicts[name] != want {
			t.Errorf("%s: %q, want %s", name, verdicts[name], want)
		}
	}
}

// An origin that does not answer, or was restarted, makes its count unknown.
func TestTracesOfAnOriginThatDoesNotAnswer(t *testing.T) {
	for name, after := range map[string]map[string]*readings.OriginStats{"silent": {"origin": nil}, "restarted": originOf(1, 1, 0)} {
		traces := &Traces{}
		traces.Add(readings.Reading{Origins: originOf(100, 100, 0)}, readings.Reading{Origins: after})
		if got := tracesOf(&Measurement{Stage: tracedStage(), Traces: traces}); got.OriginRequests != nil || got.Requests != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if none := tracesOf(&Measurement{Stage: tracedStage()}); none != nil {
		t.Errorf("without a collector: %+v", none)
	}
}
