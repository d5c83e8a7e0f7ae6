package topology

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/deploy/cloudflare"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// The ports of an edge node, and of the ways to and from it on the link node.
const (
	PortEdge     = 8000
	PortEdgeStat = 8100  // /health and /stats
	portWays     = 18500 // link: edge to balancer; the countries' ways follow
)

// edgeFolder is where an edge node has its files.
const edgeFolder = "/edge/"

// maxWays keeps the ways' ports together.
const maxWays = 50

// Edge is a node in front of the balancer that answers what it may from its
// own cache: clients -> link -> edge -> link -> balancer. Beside it every
// country keeps its direct way to the balancer, for comparison.
type Edge struct {
	Vars   map[string]string // of the Worker, by name: CACHE_TTL and so on
	Origin Link              // between the edge and the balancer
	Ways   []Way             // one for each country
}

// Way is how far a country's clients are.
type Way struct {
	Name   string // unique
	Direct Link   // to the balancer
	Near   Link   // to the edge
}

// DirectAddr is where the i-th way's clients reach the balancer, at their
// distance from it.
func (t Topology) DirectAddr(l lab.Layout, i int) string { return l.DialAddr(RoleLink, directPort(i)) }

// EdgeAddr is where the i-th way's clients reach the edge, at their distance
// from it.
func (t Topology) EdgeAddr(l lab.Layout, i int) string { return l.DialAddr(RoleLink, nearPort(i)) }

func directPort(i int) int { return portWays + 1 + 2*i }
func nearPort(i int) int   { return portWays + 2 + 2*i }

// Ways are the i-th country's addresses at the link: the direct way to the balancer, and the one to the edge.
func (t Topology) Ways(l lab.Layout, i int) (direct, edge string) {
	return t.DirectAddr(l, i), t.EdgeAddr(l, i)
}

// EdgeNode runs the Worker of deploy/cloudflare.
func EdgeNode(t Topology, l lab.Layout) lab.Spec {
	files := map[string][]byte{}
	for name, content := range cloudflare.Files() {
		files[edgeFolder+name] = content
	}
	args := []string{
		edgeFolder + "edge/server.mjs", "--worker=" + edgeFolder + "worker.js",
		"--listen=" + l.ListenAddr(RoleEdge, PortEdge), "--status=" + l.ListenAddr(RoleEdge, PortEdgeStat),
		"--origin=" + l.DialAddr(RoleLink, portWays),
	}
	settings := map[string]string{}
	for _, flag := range flags(t.Edge.Vars) {
		args = append(args, "--var="+flag[2:])
	}
	for k, v := range t.Edge.Vars {
		settings[k] = v
	}
	return t.limit(lab.Spec{
		Name: RoleEdge, Role: RoleEdge, Program: lab.ProgramNode, Args: args, Files: files,
		Ports: []int{PortEdgeStat}, Inner: []int{PortEdge}, Settings: settings, Ready: readyHTTP(PortEdgeStat, "/health"), Grace: 2 * time.Second,
	})
}

// proxies are the link node's arguments for the ways to and from the edge.
func (e *Edge) proxies(l lab.Layout) ([]string, error) {
	if len(e.Ways) == 0 || len(e.Ways) > maxWays {
		return nil, fmt.Errorf("edge: %d ways are not allowed: want 1 to %d", len(e.Ways), maxWays)
	}
	proxy := func(name string, port int, to string, d Link) string {
		return fmt.Sprintf("--proxy=%s=%s,%s,%s", name, l.ListenAddr(RoleLink, port), to, d.arg())
	}
	balancer := l.DialAddr(RoleBalancer, PortBalancer)
	out := []string{proxy("edge-origin", portWays, balancer, e.Origin)}
	seen := map[string]bool{}
	for i, w := range e.Ways {
		if w.Name == "" || seen[w.Name] {
			return nil, errors.New("edge: way " + strconv.Itoa(i) + ": want a name that no other has")
		}
		seen[w.Name] = true
		out = append(out,
			proxy("direct-"+w.Name, directPort(i), balancer, w.Direct),
			proxy("edge-"+w.Name, nearPort(i), l.DialAddr(RoleEdge, PortEdge), w.Near))
	}
	return out, nil
}

// ports are those on which the link node has the ways.
func (e *Edge) ports() []int {
	out := []int{portWays}
	for i := range e.Ways {
		out = append(out, directPort(i), nearPort(i))
	}
	return out
}
