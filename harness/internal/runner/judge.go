package runner

import (
	"fmt"
	"strconv"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// judge makes every check on every attack, and marks the stage.
func (r *run) judge(s *report.Stage, m *measured) {
	for _, list := range [][]*attacked{m.closed, m.open, m.direct} {
		for _, a := range list {
			label := a.result.Attack.Model
			if a.label != "" {
				label += ", " + a.label
			}
			if m.stage.Rounds > 1 {
				label = fmt.Sprintf("%s, round %d", label, a.round)
			}
			for _, c := range measure.Run(r.facts(m, a)) {
				s.Checks = append(s.Checks, checked(c, label))
			}
		}
	}
}

// checked is a check in the report's words.
func checked(c measure.Check, attack string) report.Check {
	out := report.Check{Name: c.Name, Attack: attack, Saw: c.Saw, Limit: c.Limit, Verdict: string(c.Verdict)}
	if c.Verdict == measure.Invalid || c.Verdict == measure.Warning {
		out.Remedy = c.Remedy()
	}
	return out
}

// facts are what the checks go by.
func (r *run) facts(m *measured, a *attacked) measure.Facts {
	res := a.result
	window := res.Window().Seconds()
	open := res.Attack.Model == load.Open
	faulty := len(m.stage.Schedule()) > 0
	f := measure.Facts{
		Open: open, Offered: res.Attack.Rate, Samples: res.Successes,
		PeakWorkers: res.PeakWorkers, WorkerCap: res.WorkerCap, FDLimit: int(res.FDLimit),
		Connections: res.Attack.Connections, InFlight: res.InFlight,
		Requests: res.Requests, Failed: res.Failed, Refused: refusedByLimit(m.stage, res),
		ErrorBudget: budget(m.stage), Broken: faulty && open, Mismatches: res.Errors[load.KindMismatch] + res.Errors[load.KindUnhashed], Hashed: res.Hashed,
		ConnectionsOpened: res.ConnectionsOpened, PortsExhausted: res.Errors[load.KindNoPort],
		// On long ways the number in flight swings, and with it that of connections.
		MayReconnect: faulty || a.label != "",
		StateReset:   &m.reset, Warm: m.warm, TimeWait: res.TimeWait, AASpread: m.spread(res.Attack.Model), Extended: a.extended, OnlyAvailability: r.Chaos,
	}
	if r.lab != nil {
		f.Shortcuts = shortcuts(r.lab.Settings())
	}
	if window > 0 {
		f.Achieved = float64(res.Requests) / window
	}
	if res.WorkerCores > 0 && window > 0 {
		f.WorkerCPU = ptr(res.WorkerCPUSeconds / window / res.WorkerCores)
	}
	if r.ceiling > 0 {
		f.CeilingQPS = &r.ceiling
	}
	if f.Open {
		f.LagP99MS, f.LatencyP99MS = res.Lag.Percentile(0.99), res.Corrected.Percentile(0.99)
	}
	f.OriginExpected, f.OriginCounted = m.passed.both()
	if !f.Broken {
		f.Trends = trends(res)
		if pool, ok := poolTrend(a.readings); ok {
			f.Trends = append(f.Trends, pool)
		}
	}
	if n := len(a.readings); n > 1 {
		f.Steal = a.readings[0].cpu.until(a.readings[n-1].cpu).steal
	}
	if n := len(a.readings); n > 1 {
		f.Pressure = a.readings[0].pressure.until(a.readings[n-1].pressure, a.readings[n-1].at.Sub(a.readings[0].at))
	}
	return f
}

// unstatedBudget is the share of requests that may fail in a stage whose scenario
// says nothing about it.
const unstatedBudget = 0.01

// budget is the share of requests that a stage expects to fail.
func budget(s *scenario.Stage) float64 {
	if s.SLO.ErrorRate > 0 {
		return s.SLO.ErrorRate
	}
	return unstatedBudget
}

// refusedByLimit counts the origin's refusals, where it is stated how much it
// takes at a time: stages before the gateway's own limits are meant to show them.
func refusedByLimit(s *scenario.Stage, res *load.Result) uint64 {
	if s.Origin.ChatConcurrency == 0 {
		return 0
	}
	return res.Errors[load.KindOrigin429]
}

func trends(res *load.Result) []measure.Trend {
	qps := measure.Trend{Name: "QPS"}
	hits := measure.Trend{Name: "hit ratio"}
	for _, s := range res.Series {
		qps.Values = append(qps.Values, float64(s.Successes))
		if s.Requests > 0 {
			hits.Values = append(hits.Values, float64(s.Hits)/float64(s.Requests))
		}
	}
	out := []measure.Trend{qps}
	if res.CacheStatus["Hit"] > 0 && len(res.EdgeCache) == 0 { // behind an edge these are what it let through
		out = append(out, hits)
	}
	return out
}

// nodeLoads is every node's use of CPU in an attack.
func (r *run) nodeLoads(m *measured, a *attacked) []measure.NodeLoad {
	var out []measure.NodeLoad
	window := a.window.Seconds()
	if window <= 0 {
		return nil
	}
	for name, u := range spent(a.readings) {
		role := roleOf(name)
		cores := r.coresOf(m.stage, role)
		one := measure.NodeLoad{Name: name, Role: role}
		if u.known {
			one.Utilisation, one.Throttled = ptr(u.CPUSeconds/window/cores), ptr(u.ThrottledSeconds/window)
		}
		out = append(out, one)
	}
	return out
}

// coresOf is how many cores a node can use at a time: what the machine has,
// what the runtime lets it have, and what it has threads for.
func (r *run) coresOf(s *scenario.Stage, role string) float64 {
	cores := float64(hostCores())
	limits := r.limits(s, role)
	if limits.CPUs > 0 {
		cores = min(cores, limits.CPUs)
	}
	if n := len(limits.Cores); n > 0 {
		cores = min(cores, float64(n))
	}
	if role == lab.RoleGateway {
		if n, err := strconv.Atoi(s.Gateway["max_procs"]); err == nil && n > 0 {
			cores = min(cores, float64(n))
		}
	}
	return cores
}

// bottleneck says what limits the stage's capacity.
func (r *run) bottleneck(m *measured, closed *load.Result) *report.Bottleneck {
	if closed == nil || len(m.closed) == 0 {
		return nil
	}
	a := m.closed[len(m.closed)-1]
	origin, _ := servedIn(a.readings) // where it is not known no rule may fire on it
	s := measure.Saturation{
		Nodes: r.nodeLoads(m, a), PoolMax: a.pool.max, PoolInUseMax: a.pool.inUse,
		OriginInFlight: mostChats(a.readings), OriginLimit: m.stage.Origin.ChatConcurrency, OriginRefused: origin.refused,
		Limited: closed.Limited, Requests: closed.Requests, Latency: closed.Service.Mean(), Connections: closed.Attack.Connections,
	}
	if m.stage.Gateway["lookup"] == "database" {
		s.PoolWait = time.Duration(a.pool.waitMean * float64(time.Second))
	}
	if n := len(a.readings); n > 1 {
		s.HostBusy = a.readings[0].cpu.until(a.readings[n-1].cpu).busy
	}
	if n := len(a.readings); n > 1 && a.counted.Requests > 0 {
		if sent, ok := forwarded(a.readings[0], a.readings[n-1]); ok {
			s.OriginShare = float64(sent) / float64(a.counted.Requests)
		}
	}
	found := measure.Bottlenecks(s)
	if len(found) == 0 {
		return nil
	}
	return &report.Bottleneck{Component: found[0].Component, Rule: found[0].Rule, Evidence: found[0].Evidence}
}

// faults puts the stage's faults, with what the probes saw of them, into the
// result.
func (r *run) faults(m *measured) {
	for _, a := range m.open {
		for _, e := range a.events {
			f := report.Fault{Name: e.Kind, Target: e.Target, Stage: m.stage.Name, Round: a.round, InjectedAt: e.InjectedAt}
			if !e.EffectObservedAt.IsZero() {
				f.EffectObservedAt = ptr(e.EffectObservedAt)
			}
			if !e.RecoveredAt.IsZero() {
				f.RecoveredAt = ptr(e.RecoveredAt)
			}
			f.RequestsFailed = ptr(a.result.Failed)
			f.IdempotentFailed = ptr(idempotentFailed(m.stage, a.result))
			r.outage(&f, a, e.InjectedAt, e.RecoverAt)
			r.result.Faults = append(r.result.Faults, f)
		}
	}
}

// idempotentFailed counts failures of requests that a balancer may send again.
func idempotentFailed(s *scenario.Stage, res *load.Result) (n uint64) {
	for _, q := range s.Workload.Requests {
		if q.Method == "" || q.Method == "GET" || q.Method == "HEAD" {
			n += res.ByRequest[q.Name].Failed
		}
	}
	return n
}

// outage reads availability, detection and recovery from the probes.
func (r *run) outage(f *report.Fault, a *attacked, injected, mended time.Time) {
	probes := probesOf(a.probes, time.Time{}, forever)
	if len(probes) == 0 {
		return
	}
	av := availability(probes)
	f.Probes, f.Failed = &av.Probes, &av.Failed
	f.Availability, f.AvailabilityLow, f.AvailabilityHigh = &av.Availability, &av.Low, &av.High
	f.ResolutionMS = ptr(inMS(measure.Resolution(probes)))
	var outage time.Duration
	for _, o := range measure.Outages(probes, outageGap) {
		outage += o.Length()
	}
	f.OutageMS = ptr(inMS(outage))
	f.TimeToDetectMS, f.TimeToRecoverMS = hurtFor(a.probes, probes, injected), usedAgain(a.probes, f.Target, mended)
}
