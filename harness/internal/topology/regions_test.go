package topology_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

func twoRegions() topology.Topology {
	return topology.Topology{Replicas: 3, Balancers: 2, Regions: []topology.Region{
		{Name: "a", Replicas: 2},
		{Name: "b", Replicas: 1, Link: topology.Link{Latency: 40 * time.Millisecond, Jitter: 4 * time.Millisecond, Loss: 0.01}},
	}}
}

func TestRegionsHaveABalancerAndARedisEach(t *testing.T) {
	wanted := twoRegions()
	specs, err := wanted.Specs(lab.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "postgres redis redis-2 origin worker link gateway-1 gateway-2 gateway-3 lb lb-2" {
		t.Errorf("nodes %s", got)
	}
	const link = "link --admin=:8474 --proxy=postgres=:15432,postgres:5432,40ms,4ms,0.01"
	if got := strings.Join(spec(t, wanted, "link").Args, " "); got != link {
		t.Errorf("link runs %q", got)
	}
	for name, want := range map[string][2]string{
		"gateway-2": {"@postgres:5432/", "redis"}, "gateway-3": {"@link:15432/", "redis-2"},
	} {
		env := spec(t, wanted, name).Env
		if !strings.Contains(env["GATEWAY_PG_DSN"], want[0]) || env[topology.RegionRedisVariable] != want[1] {
			t.Errorf("%s has Postgres at %s and Redis at %s, want %s", name, env["GATEWAY_PG_DSN"], env[topology.RegionRedisVariable], want)
		}
	}
	for name, want := range map[string][]string{"lb": {"gateway-1", "gateway-2"}, "lb-2": {"gateway-3"}} {
		conf := string(spec(t, wanted, name).Files["/etc/nginx/nginx.conf"])
		for _, gateway := range []string{"gateway-1", "gateway-2", "gateway-3"} {
			if strings.Contains(conf, gateway+":8000") != slices.Contains(want, gateway) {
				t.Errorf("%s sends to %s: %t\n%s", name, gateway, !slices.Contains(want, gateway), conf)
			}
		}
	}
}

func TestNodesOfARegionInTheirOrder(t *testing.T) {
	wanted := twoRegions()
	for target, want := range map[string]string{
		"region-a": "postgres redis gateway-1 gateway-2 lb", "region-b": "redis-2 gateway-3 lb-2", "region-c": "", "gateway-1": "",
	} {
		if got := strings.Join(wanted.RegionNodes(target), " "); got != want {
			t.Errorf("%s is %q, want %q", target, got, want)
		}
	}
}

func TestRegionsRefuse(t *testing.T) {
	one := twoRegions()
	one.Regions = one.Regions[:1]
	fewer := twoRegions()
	fewer.Replicas = 2
	portsOf := lab.Layout{Addr: func(node string, _ int) string { return map[string]string{"redis": "127.0.0.1:1"}[node] + "" }}
	for _, c := range []struct {
		wanted topology.Topology
		layout lab.Layout
		want   string
	}{
		{wanted: one, want: "regions: 1 is not allowed: want none or 2"},
		{wanted: fewer, want: "regions: 2 replicas and 2 balancers are not allowed: want the 3 of the regions, and one balancer for each"},
		{wanted: twoRegions(), layout: portsOf, want: "regions: the ports of Redis, 1 and , are not allowed"},
	} {
		if _, err := c.wanted.Specs(c.layout); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}
