package topology

import (
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Region is a set of gateways with a balancer and a Redis of its own. The first region has the only Postgres. The origin is in none: it
// stands for an API of others, which all regions reach alike.
type Region struct {
	Name     string
	Replicas int
	Link     Link // the way to the first region; the first one's own is zero
}

// regionPrefix begins the name under which all nodes of a region are broken together: "region-b".
const regionPrefix = "region-"

// RegionRedisVariable is the environment variable of a gateway that names the host of its region's Redis. The configuration is the same in
// all regions, so it refers to the variable, as RegionRedisReference.
const (
	RegionRedisVariable  = "REGION_REDIS"
	RegionRedisReference = "{vault://env/region-redis}"
)

// maxRegions is how many the names of nodes allow: lb-2 and redis-2 are the second region's.
const maxRegions = 2

func (t Topology) checkRegions(l lab.Layout) error {
	if len(t.Regions) == 0 {
		return nil
	}
	if len(t.Regions) != maxRegions {
		return fmt.Errorf("regions: %d is not allowed: want none or %d", len(t.Regions), maxRegions)
	}
	sum := 0
	for _, r := range t.Regions {
		sum += r.Replicas
	}
	if sum != t.Replicas || t.Balancers != len(t.Regions) {
		return fmt.Errorf("regions: %d replicas and %d balancers are not allowed: want the %d of the regions, and one balancer for each",
			t.Replicas, t.Balancers, sum)
	}
	_, first := split(l.DialAddr(RoleRedis, PortRedis))
	if _, second := split(l.DialAddr(NameOf(RoleRedis, maxRegions), PortRedis)); first != second {
		return fmt.Errorf("regions: the ports of Redis, %s and %s, are not allowed: want the same, since the regions share their configuration;"+
			" here only containers (runtime docker) have addresses of their own", first, second)
	}
	return nil
}

// regionOf is the number from 0 of the region of the i-th gateway, from 1; -1 without regions.
func (t Topology) regionOf(i int) int {
	for r, region := range t.Regions {
		if i -= region.Replicas; i <= 0 {
			return r
		}
	}
	return -1
}

// Gateways are the names of the gateways of the i-th region, from 0.
func (t Topology) Gateways(region int) []string {
	var out []string
	for i := 1; i <= t.Replicas; i++ {
		if t.regionOf(i) == region {
			out = append(out, GatewayName(i))
		}
	}
	return out
}

// behind are the gateways of the i-th balancer, from 1: its region's, or all.
func (t Topology) behind(i int) []string {
	if len(t.Regions) == 0 {
		return t.Gateways(-1)
	}
	return t.Gateways(i - 1)
}

// RegionNodes are the nodes of the region that a target such as "region-b" names, in the order in which they depend on each other; nil for
// any other target.
func (t Topology) RegionNodes(target string) []string {
	for r, region := range t.Regions {
		if target != regionPrefix+region.Name {
			continue
		}
		var out []string
		if r == 0 {
			out = append(out, RolePostgres)
		}
		out = append(out, NameOf(RoleRedis, r+1))
		out = append(out, t.Gateways(r)...)
		return append(out, NameOf(RoleBalancer, r+1))
	}
	return nil
}

// postgresOf is where the i-th gateway reaches Postgres, from 1: directly in the first region, over the link in the others.
func (t Topology) postgresOf(l lab.Layout, i int) string {
	if t.regionOf(i) > 0 {
		return l.DialAddr(RoleLink, LinkPort(PortPostgres))
	}
	return t.Far(l, RolePostgres, PortPostgres)
}

// linkTo is the delay on the way to a role.
func (t Topology) linkTo(role string) Link {
	if len(t.Regions) > 0 && role == RolePostgres {
		return t.Regions[len(t.Regions)-1].Link
	}
	return t.Links[role]
}
