package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

func edged() topology.Topology {
	ms := func(n int) topology.Link { return topology.Link{Latency: time.Duration(n) * time.Millisecond} }
	return topology.Topology{Replicas: 1, Edge: &topology.Edge{
		Vars: map[string]string{"CACHE_TTL": "300", "CACHE_COUNTRIES": "CN"}, Origin: ms(33),
		Ways: []topology.Way{{Name: "cn", Direct: ms(55), Near: ms(22)}, {Name: "others", Direct: ms(36), Near: ms(3)}},
	}}
}

func TestEdgeStandsBetweenTwoLinks(t *testing.T) {
	wanted := edged()
	edge, link := spec(t, wanted, topology.RoleEdge), spec(t, wanted, topology.RoleLink)
	if got := strings.Join(edge.Args, " "); got != "/edge/edge/server.mjs --worker=/edge/worker.js --listen=:8000 "+
		"--status=:8100 --origin=link:18500 --var=CACHE_COUNTRIES=CN --var=CACHE_TTL=300" {
		t.Errorf("the edge runs %s", got)
	}
	for _, file := range []string{
		"/edge/worker.js", "/edge/package.json", "/edge/edge/server.mjs", "/edge/edge/cache.mjs", "/edge/edge/origin.mjs",
	} {
		if len(edge.Files[file]) == 0 {
			t.Errorf("the edge has no %s", file)
		}
	}
	want := []string{
		"--proxy=edge-origin=:18500,lb:8000,33ms,0s",
		"--proxy=direct-cn=:18501,lb:8000,55ms,0s", "--proxy=edge-cn=:18502,edge:8000,22ms,0s",
		"--proxy=direct-others=:18503,lb:8000,36ms,0s", "--proxy=edge-others=:18504,edge:8000,3ms,0s",
	}
	if got := link.Args[2:]; !slices.Equal(got, want) {
		t.Errorf("the link runs %q, want %q", got, want)
	}
	for i, way := range wanted.Edge.Ways {
		for name, got := range map[string]string{"direct-": wanted.DirectAddr(lab.Layout{}, i), "edge-": wanted.EdgeAddr(lab.Layout{}, i)} {
			port := strings.TrimPrefix(got, "link")
			if !strings.Contains(strings.Join(link.Args, " "), "--proxy="+name+way.Name+"="+port+",") {
				t.Errorf("%s%s is said to be at %s", name, way.Name, got)
			}
		}
	}
	wanted.Edge = nil
	specs, err := wanted.Specs(lab.Layout{})
	if err != nil || slices.ContainsFunc(specs, func(s lab.Spec) bool { return s.Role == topology.RoleEdge || s.Role == topology.RoleLink }) {
		t.Errorf("a lab without an edge has one: %v", err)
	}
}

func TestEdgeInAnotherLayout(t *testing.T) {
	at := func(node string, port int) string { return fmt.Sprintf("127.0.0.1:%d", 20000+len(node)*1000+port%1000) }
	specs, err := edged().Specs(lab.Layout{Listen: at, Addr: at})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if s.Role != topology.RoleEdge && s.Role != topology.RoleLink {
			continue
		}
		for _, arg := range s.Args {
			if strings.Contains(arg, "=:") || strings.Contains(arg, "link:") || strings.Contains(arg, "lb:") {
				t.Errorf("%s: %s is an address of its own", s.Name, arg)
			}
		}
	}
}

func TestEdgeRefuses(t *testing.T) {
	for want, ways := range map[string][]topology.Way{
		"edge: 0 ways are not allowed: want 1 to 50":  nil,
		"edge: way 1: want a name that no other has":  {{Name: "cn"}, {Name: "cn"}},
		"edge: way 0: want a name that no other has":  {{}},
		"edge: 51 ways are not allowed: want 1 to 50": make([]topology.Way, 51),
	} {
		wanted := edged()
		wanted.Edge.Ways = ways
		if _, err := wanted.Specs(lab.Layout{}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
