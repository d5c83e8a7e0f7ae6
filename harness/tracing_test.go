package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

const tracingScenario = "testdata/measure/tracing.yaml"

// runTraced runs a traced scenario with real gateways on this machine, and is its stage.
func runTraced(t *testing.T, file string) (*result.Stage, invocation) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL, Redis and nginx, and -short asks for tests without servers: run make test")
	}
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	reports := t.TempDir()
	got := runProgram(t, filepath.Join(dir, "harness"), nil, "run", file, "--runtime", "host", "--reports", reports)
	if got.code == exitUnable || got.code == exitStopped {
		t.Fatalf("exit code %d\n%s\n%s", got.code, got.stderr, got.stdout)
	}
	r, err := result.Read(filepath.Join(onlyRun(t, reports), result.FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Stages) != 1 || r.Stages[0].Traces == nil {
		t.Fatalf("%d stages; no traces in the first\n%s", len(r.Stages), got.stdout)
	}
	return &r.Stages[0], got
}

// Three replicas behind a load balancer: every probe's trace reaches from the worker to the origin, and so do the gateways' own.
func TestTracesReachFromTheWorkerToTheOrigin(t *testing.T) {
	s, got := runTraced(t, tracingScenario)
	tr := s.Traces
	if tr.Clients < 40 || tr.Paths["worker > gateway > origin"] != tr.Clients || tr.Paths["gateway > origin"] != tr.Begun || tr.Begun == 0 ||
		tr.Whole != tr.Traces || tr.Traces != tr.Clients+tr.Begun {
		t.Errorf("traces %+v", tr)
	}
	if tr.OriginRequests == nil || *tr.OriginRequests < 200 || *tr.OriginTraced != *tr.OriginRequests {
		t.Errorf("of requests at the origin %v had a traceparent of %v", tr.OriginTraced, tr.OriginRequests)
	}
	seen := 0
	for _, c := range s.Checks {
		if c.Attack == "all attacks" {
			if seen++; c.Verdict != "ok" {
				t.Errorf("%s: %s", c.Name, c)
			}
		}
	}
	if seen != 4 || len(s.Attacks[0].Nodes) != 3 {
		t.Errorf("%d checks of traces, nodes %v\n%s", seen, s.Attacks[0].Nodes, got.stdout)
	}
}

// Sabotage: gateways that do not read the client's traceparent, and begin a trace of their own instead.
func TestGatewaysThatBeginAnotherTraceAreCaught(t *testing.T) {
	text, err := os.ReadFile(tracingScenario)
	if err != nil {
		t.Fatal(err)
	}
	const route = "      routes:\n"
	broken := strings.Replace(string(text), route, "      plugins:\n        - name: opentelemetry\n          config:\n"+
		"            endpoint: http://collector:4318/v1/traces\n            header_type: ignore\n            sampling_rate: 1\n"+
		"            resource_attributes: {service.name: gateway}\n"+route, 1)
	file := filepath.Join(t.TempDir(), "ignoring.yaml")
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	s, got := runTraced(t, file)
	tr := s.Traces
	if tr.Clients == 0 || tr.Faults["not continued by a server"] != tr.Clients || tr.Paths["gateway > origin"] != tr.Begun {
		t.Errorf("traces %+v", tr)
	}
	if got.code != exitInvalid || !strings.Contains(strings.Join(s.InvalidReasons, "\n"), "traces whole (all attacks): ") ||
		!strings.Contains(strings.Join(s.InvalidReasons, "\n"), "traces sampled (all attacks): ") {
		t.Errorf("exit code %d, reasons %q", got.code, s.InvalidReasons)
	}
}
