package assess

import (
	"strconv"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Limits are what a node of the stage may use, as far as the runtime enforces it.
func (c Conditions) Limits(s *scenario.Stage, role string) scenario.Node {
	n := s.Topology.Nodes[role]
	if !c.Limited {
		n.CPUs, n.Memory = 0, 0
	}
	return n
}

// nodeLoads is every node's use of CPU in an attack.
func (m *Measurement) nodeLoads(a *Recording) []measure.NodeLoad {
	var out []measure.NodeLoad
	window := a.Window()
	if window <= 0 {
		return nil
	}
	for name, u := range readings.Spent(a.Readings) {
		role := lab.RoleOf(name)
		cores := m.coresOf(role)
		one := measure.NodeLoad{Name: name, Role: role}
		if u.Known {
			used, throttled := u.CPUSeconds/window/cores, u.ThrottledSeconds/window
			one.Utilisation, one.Throttled = &used, &throttled
		}
		out = append(out, one)
	}
	return out
}

// coresOf is how many cores a node can use at a time: what the machine has,
// what the runtime lets it have, and what it has threads for.
func (m *Measurement) coresOf(role string) float64 {
	cores := float64(readings.Cores())
	limits := m.Conditions.Limits(m.Stage, role)
	if limits.CPUs > 0 {
		cores = min(cores, limits.CPUs)
	}
	if n := len(limits.Cores); n > 0 {
		cores = min(cores, float64(n))
	}
	if role == topology.RoleGateway {
		if n, err := strconv.Atoi(m.Stage.Gateway["max_procs"]); err == nil && n > 0 {
			cores = min(cores, float64(n))
		}
	}
	return cores
}

// bottleneck says what limits the stage's capacity.
func (m *Measurement) bottleneck(closed *load.Result) *measure.Bottleneck {
	if closed == nil || len(m.Closed) == 0 {
		return nil
	}
	a := m.Closed[len(m.Closed)-1]
	origin, _ := readings.ServedIn(a.Readings) // zero if unknown: then no rule fires on it
	pool := a.Pool()
	s := measure.Saturation{
		Nodes: m.nodeLoads(a), PoolMax: pool.Max, PoolInUseMax: pool.InUse,
		OriginInFlight: readings.MostChats(a.Readings), OriginLimit: m.Stage.Origin.ChatConcurrency, OriginRefused: origin.Refused,
		Limited: closed.Limited, Requests: closed.Requests, Latency: closed.Service.Mean(), Connections: closed.Attack.Connections,
	}
	if m.Stage.Gateway["lookup"] == "database" {
		s.PoolWait = time.Duration(pool.WaitMean * float64(time.Second))
	}
	if n := len(a.Readings); n > 1 {
		s.HostBusy = a.Readings[0].Busy(a.Readings[n-1].Machine)
		if sent, ok := readings.Forwarded(a.Readings[0], a.Readings[n-1]); ok && a.Counted.Requests > 0 {
			s.OriginShare = float64(sent) / float64(a.Counted.Requests)
		}
	}
	found := measure.Bottlenecks(s)
	if len(found) == 0 {
		return nil
	}
	return &measure.Bottleneck{Component: found[0].Component, Rule: found[0].Rule, Evidence: found[0].Evidence}
}
