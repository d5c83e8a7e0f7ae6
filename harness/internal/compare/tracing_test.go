package compare

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// The head alone gets the plugin, and the scenario's plugins stay as they are.
func TestTheHeadAloneTraces(t *testing.T) {
	share := 0.25
	stages := []scenario.Stage{{Entities: map[string]any{"plugins": []any{map[string]any{"name": "prometheus"}}}}}
	b := &bench{
		trial:   &trial{options: GateOptions{Tracing: &share}, stages: stages, builds: &builds{}, arms: []string{gate.Base}},
		session: &session.Session{Lab: lab.New(nil, lab.Options{})},
	}
	names := func(arm string) (out []any) {
		for _, p := range b.entities(arm, 1)["plugins"].([]any) {
			out = append(out, p.(map[string]any)["name"])
		}
		return out
	}
	if got := names(gate.Base); len(got) != 1 {
		t.Errorf("the base has %v", got)
	}
	got := names(gate.Head)
	if len(got) != 2 || got[1] != "opentelemetry" {
		t.Errorf("the head has %v", got)
	}
	config := b.entities(gate.Head, 1)["plugins"].([]any)[1].(map[string]any)["config"].(map[string]any)
	if config["sampling_rate"] != 0.25 || config["endpoint"] != "http://collector:4318/v1/traces" {
		t.Errorf("config %v", config)
	}
	if !b.topology(1, nil).Collector {
		t.Error("the lab has no collector")
	}
	b.options.Tracing = nil
	if got := names(gate.Head); len(got) != 1 || b.topology(1, nil).Collector {
		t.Errorf("without tracing the head has %v", got)
	}
}

func TestHeadTracingRefuses(t *testing.T) {
	share, much := 0.01, 1.5
	traced := scenario.Stage{}
	traced.Topology.Tracing.On = true
	for want, c := range map[string]struct {
		options GateOptions
		stage   scenario.Stage
	}{
		"head-tracing: 1.5 is not allowed: want a share of the requests, 0 to 1": {options: GateOptions{Tracing: &much}},
		"head-tracing: is not allowed with a baseline: its rounds were recorded without: want a base that is built": {
			options: GateOptions{Tracing: &share, Baseline: "gate.json"}},
		"head-tracing: is not allowed with a scenario whose gateways all trace: want one without topology.tracing": {
			options: GateOptions{Tracing: &share}, stage: traced},
	} {
		if err := checkTracing(c.options, []scenario.Stage{c.stage}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := checkTracing(GateOptions{Tracing: &share}, []scenario.Stage{{}}); err != nil {
		t.Error(err)
	}
}
