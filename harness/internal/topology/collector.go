package topology

import (
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// TracesURL is where the nodes of a lab send spans, as OTLP over HTTP.
func TracesURL(l lab.Layout) string {
	return "http://" + l.DialAddr(RoleCollector, PortCollector) + "/v1/traces"
}

// Collector receives spans and checks the trees that they make.
func Collector(t Topology, l lab.Layout) lab.Spec {
	return t.limit(lab.Spec{
		Name: RoleCollector, Role: RoleCollector, Program: lab.ProgramHarness,
		Args: []string{"collector", "--listen=" + l.ListenAddr(RoleCollector, PortCollector)},
		// It is not what is measured: one thread takes a thousand traces a second.
		Env:   map[string]string{"GOMAXPROCS": "1"},
		Ports: []int{PortCollector}, Ready: readyHTTP(PortCollector, "/health"),
	})
}
