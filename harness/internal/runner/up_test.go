package runner

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"gatelab/harness/internal/lab"
)

// TestWatchersStepAsideForOthers: whoever has an Alertmanager on this machine
// gets the stack without ours, and without the Grafana that would show nothing.
func TestWatchersStepAsideForOthers(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:9093"); err == nil { // else somebody has it already
		defer l.Close()
	}
	var said bytes.Buffer
	r := &run{Options: Options{Console: NewConsole(&said)}}
	ports := upPorts(3)
	before := len(ports)
	var topology lab.Topology
	r.observe(&topology, ports)
	if topology.Observe || topology.Grafana || len(ports) != before {
		t.Errorf("topology %+v, %d ports of %d", topology, len(ports), before)
	}
	if line := said.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, "left out: alertmanager, prometheus (port 909") {
		t.Errorf("said %q", line)
	}
}
