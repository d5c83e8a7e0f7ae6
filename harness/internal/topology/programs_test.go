package topology_test

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

func TestAReplicaMayBeAnotherBuild(t *testing.T) {
	wanted := topology.Topology{
		Replicas: 2, Gateway: map[string]string{"lookup": "snapshot"},
		Programs: map[string]string{"gateway-2": "gateway@base"},
		Settings: map[string]map[string]string{"gateway-2": {"lookup": "database"}},
	}
	first, second := spec(t, wanted, "gateway-1"), spec(t, wanted, "gateway-2")
	if first.Program != lab.ProgramGateway || second.Program != "gateway@base" {
		t.Errorf("programs %s and %s", first.Program, second.Program)
	}
	if first.Env["GATEWAY_LOOKUP"] != "snapshot" || second.Env["GATEWAY_LOOKUP"] != "database" {
		t.Errorf("settings %s and %s", first.Env["GATEWAY_LOOKUP"], second.Env["GATEWAY_LOOKUP"])
	}
}
