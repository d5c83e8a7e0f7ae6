package scenario

import (
	"fmt"
	"slices"
)

// regions is how many regions a topology may have: lb-2 and redis-2 are the second one's.
const regions = 2

func (d *decoder) region(path string, n *node) (out Region) {
	out.Replicas = 1
	d.object(path, n, fields{
		"name":     d.match(&out.Name, namePattern, wantName),
		"replicas": d.whole(&out.Replicas, 1, 8),
		"link":     func(p string, n *node) { out.Link = d.link(p, n) },
	})
	d.require(path, n, "name")
	return out
}

// checkRegions sees to it that regions are complete and alone, and makes the topology's replicas and balancers theirs.
func (d *decoder) checkRegions(n *node, s *Stage) {
	t, at := &s.Topology, n.field("topology").field("regions")
	if at == nil || at.kind != list {
		return
	}
	if len(t.Regions) != regions {
		d.wrong(at, "topology.regions", "%d regions are not allowed: want %d", len(t.Regions), regions)
		return
	}
	sum := 0
	for i, r := range t.Regions {
		path := fmt.Sprintf("topology.regions[%d]", i)
		sum += r.Replicas
		if i > 0 && r.Name == t.Regions[0].Name {
			d.wrong(at.items[i], path+".name", "%q is not allowed: want a name that no other region has", r.Name)
		}
		switch link := at.items[i].field("link"); {
		case i == 0 && link != nil:
			d.wrong(link, path+".link", "is not allowed: Postgres is in the first region, and links are the ways to it")
		case i > 0 && link == nil:
			d.wrong(at.items[i], path+".link", "is missing")
		}
	}
	for _, key := range []string{"replicas", "balancers", "links"} {
		if other := n.field("topology").field(key); other != nil {
			d.wrong(other, "topology."+key, "%s is not allowed beside topology.regions: want none, since they say it", other.string())
		}
	}
	if e := n.field("edge"); e != nil {
		d.wrong(e, "edge", "is not allowed beside topology.regions")
	}
	if sum > 9 {
		d.wrong(at, "topology.regions", "%d replicas in all regions are not allowed: want at most 9", sum)
		return
	}
	t.Replicas, t.Balancers = sum, regions
}

// regionTargets are the regions as targets of faults that a whole region can have.
func (t Topology) regionTargets(kind string) []string {
	if !slices.Contains([]string{"kill", "stop", "pause", "cut-off"}, kind) {
		return nil
	}
	var out []string
	for _, r := range t.Regions {
		out = append(out, "region-"+r.Name)
	}
	return out
}
