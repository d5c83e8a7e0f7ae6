package topology_test

import (
	"slices"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// The origins send spans where there is a collector, and there alone.
func TestCollectorOfTraces(t *testing.T) {
	wanted := topology.Topology{Replicas: 1, Origins: 2, Collector: true}
	c := spec(t, wanted, topology.RoleCollector)
	if c.Program != lab.ProgramHarness || !slices.Equal(c.Args, []string{"collector", "--listen=:4318"}) || c.Tier != 0 {
		t.Errorf("the collector runs %s %q in tier %d", c.Program, c.Args, c.Tier)
	}
	for _, name := range []string{"origin", "origin-2"} {
		if s := spec(t, wanted, name); !slices.Contains(s.Args, "--traces=http://collector:4318/v1/traces") {
			t.Errorf("%s runs %q", name, s.Args)
		}
	}
	wanted.Collector = false
	specs, err := wanted.Specs(lab.Layout{})
	if err != nil || slices.ContainsFunc(specs, func(s lab.Spec) bool { return s.Role == topology.RoleCollector }) {
		t.Errorf("a lab without a collector has one: %v", err)
	}
	if s := spec(t, wanted, "origin"); slices.ContainsFunc(s.Args, func(a string) bool { return len(a) > 8 && a[:8] == "--traces" }) {
		t.Errorf("without a collector the origin runs %q", s.Args)
	}
	if !topology.KnownNode(topology.RoleCollector) {
		t.Error("the node is not known by name")
	}
}
