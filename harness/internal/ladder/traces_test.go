package ladder

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/session"
)

// tracedStage is traced, in a lab whose gateways answer and know nothing of traces.
const tracedStage = `name: small
topology: {replicas: 2, tracing: {sample: 0.5}}
entities: {services: [{name: api, url: "http://origin:9000", routes: [{name: api, paths: [/api]}]}]}
workload: {requests: [{name: get, path: /api/1, weight: 1}]}
load:
  open: {rate: 50, connections: 4, duration: 1s}
  probe: {rate: 20, timeout: 1s}
profiles: {smoke: {}}
stages: [{name: only, changes: [nothing]}]
`

// Sabotage: gateways that answer and send no spans. Every probe that they answered is a trace that is not continued.
func TestGatewaysThatDoNotTraceAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures for seconds")
	}
	o, _, events := options(t, tracedStage)
	out, err := Run(t.Context(), o)
	if !errors.Is(err, session.ErrInvalid) {
		t.Fatalf("error %v, want that the run is not valid", err)
	}
	s := out.Result.Stages[0]
	if s.Traces == nil || s.Traces.Clients < 20 || s.Traces.Whole != 0 || s.Traces.Faults["not continued by a server"] != s.Traces.Traces {
		t.Fatalf("traces %+v", s.Traces)
	}
	if e := s.Traces.Examples; len(e) == 0 || len(e[0].Trace) != 32 || !strings.Contains(e[0].Detail, "get of worker: it had a response") {
		t.Errorf("examples %+v", e)
	}
	if !slices.ContainsFunc(s.InvalidReasons, func(why string) bool { return strings.HasPrefix(why, "traces whole (all attacks): 0 of ") }) {
		t.Errorf("reasons %q", s.InvalidReasons)
	}
	if !strings.Contains(events.steps(), "whole") {
		t.Errorf("nothing is said of traces in:\n%s", events.steps())
	}
}
