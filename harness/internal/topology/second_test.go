package topology_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// TestSecondNodes: a second balancer and origin, and a link between the
// balancers and the replicas, each with a proxy of its own.
func TestSecondNodes(t *testing.T) {
	wanted := topology.Topology{Replicas: 2, Balancers: 2, Origins: 2, SmallDisk: true,
		Links: map[string]topology.Link{topology.RoleGateway: {}, topology.RoleOrigin: {}}}
	specs, err := wanted.Specs(lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]lab.Spec{}
	var order []string
	for _, s := range specs {
		by[s.Name] = s
		order = append(order, s.Name)
	}
	if got := strings.Join(order, " "); got != "postgres redis origin origin-2 worker link gateway-1 gateway-2 lb lb-2" {
		t.Errorf("order %s", got)
	}
	for _, want := range []string{
		"--proxy=gateway-1=:18000,gateway-1:8000,0s,0s", "--proxy=gateway-2=:18001,gateway-2:8000,0s,0s",
		"--proxy=origin=:19000,origin:9000,0s,0s", "--proxy=origin-2=:19001,origin-2:9000,0s,0s",
	} {
		if !slices.Contains(by["link"].Args, want) {
			t.Errorf("no %s in %v", want, by["link"].Args)
		}
	}
	if !slices.Contains(by["link"].Ports, 18001) || !slices.Contains(by["link"].Ports, 19001) {
		t.Errorf("ports %v: a fault's effect is looked for through them", by["link"].Ports)
	}
	for _, name := range []string{"lb", "lb-2"} {
		conf := string(by[name].Files["/etc/nginx/nginx.conf"])
		if by[name].Role != topology.RoleBalancer || !strings.Contains(conf, "server link:18000 ") ||
			strings.Contains(conf, "server gateway-1:") {
			t.Errorf("%s does not go through the link:\n%s", name, conf)
		}
	}
	if pg := by["postgres"]; !slices.Equal(pg.Scratch, []string{topology.SmallDisk}) || pg.ScratchMB == 0 {
		t.Errorf("postgres has %v of %d MiB", pg.Scratch, pg.ScratchMB)
	}
}
