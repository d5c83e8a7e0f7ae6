// Package loadtest has results of attacks for tests.
package loadtest

import (
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// ProbesAt are probes of gateway-1 every 100 ms, each answered after 5 ms; those that
// are not ok got a 502.
func ProbesAt(ok ...bool) *load.Result {
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	res := &load.Result{Began: began, Ended: began.Add(time.Duration(len(ok)) * 100 * time.Millisecond)}
	for i, good := range ok {
		p := load.Probe{
			Offset: time.Duration(i) * 100 * time.Millisecond, OK: good, Node: "gateway-1", Status: 200, Latency: 5 * time.Millisecond,
		}
		if !good {
			p.Err, p.Node = "status_502", ""
			p.Status = 502
		}
		res.Probes = append(res.Probes, p)
	}
	return res
}
