package stack

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/labtest"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// A machine that has an Alertmanager gets the stack without ours, and without the Grafana that would show nothing.
func TestWatchersStepAsideForOthers(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:9093"); err == nil { // else it is in use already
		defer l.Close()
	}
	var said bytes.Buffer
	ports := fixedPorts(3)
	before := len(ports)
	var wanted topology.Topology
	observe(&wanted, ports, session.Steps(session.NewConsole(&said)))
	if wanted.Observe || wanted.Grafana || len(ports) != before {
		t.Errorf("topology %+v, %d ports of %d", wanted, len(ports), before)
	}
	if line := said.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "left out: alertmanager, prometheus (port 909") {
		t.Errorf("said %q", line)
	}
}

// A second stack is refused before it starts anything: its failure must not take the first one down.
func TestPortsInUseAreRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if err := portsFree(map[string]int{"lb:8000": port}); err == nil || !strings.Contains(err.Error(), "wanted for lb:8000, is in use") {
		t.Errorf("error %v", err)
	}
}

func TestFixedPortsDiffer(t *testing.T) {
	seen := map[int]string{}
	for node, port := range fixedPorts(9) {
		if seen[port] != "" {
			t.Errorf("%s and %s share port %d", node, seen[port], port)
		}
		seen[port] = node
	}
	if len(seen) != 3+3*9 {
		t.Errorf("%d ports", len(seen))
	}
}

func TestStackTellsItsAddresses(t *testing.T) {
	rt := labtest.New()
	l := lab.New(rt, lab.Options{Layout: rt.Layout(), Progress: func(string) {}})
	defer func() { _ = l.Close(context.Background()) }()
	if err := topology.Apply(t.Context(), l, topology.Topology{Replicas: 2}); err != nil {
		t.Fatal(err)
	}
	s := describe(l, topology.Topology{Replicas: 2})
	var names []string
	for _, a := range s.Addresses {
		names = append(names, a.Name)
	}
	want := []string{
		"proxy (balancer)", "balancer's status", "origin", "gateway-1 Admin API", "gateway-1 metrics", "gateway-2 Admin API", "gateway-2 metrics",
		"postgres", "redis",
	}
	if !slices.Equal(names, want) {
		t.Errorf("addresses %q, want %q", names, want)
	}
	if s.Admin != "http://127.0.0.1:8001" || s.Proxy != "http://127.0.0.1:8000" || s.Prometheus != "" || s.Grafana != "" {
		t.Errorf("stack %+v", s)
	}
}
