package lab_test

import (
	"testing"

	"gatelab/harness/internal/lab"
)

func TestAReplicaMayBeAnotherBuild(t *testing.T) {
	topology := lab.Topology{
		Replicas: 2, Gateway: map[string]string{"lookup": "snapshot"},
		Programs: map[string]string{"gateway-2": "gateway@base"},
		Settings: map[string]map[string]string{"gateway-2": {"lookup": "database"}},
	}
	first, second := spec(t, topology, "gateway-1"), spec(t, topology, "gateway-2")
	if first.Program != lab.ProgramGateway || second.Program != "gateway@base" {
		t.Errorf("programs %s and %s", first.Program, second.Program)
	}
	if first.Env["GATEWAY_LOOKUP"] != "snapshot" || second.Env["GATEWAY_LOOKUP"] != "database" {
		t.Errorf("settings %s and %s", first.Env["GATEWAY_LOOKUP"], second.Env["GATEWAY_LOOKUP"])
	}
}
