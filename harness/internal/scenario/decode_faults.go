package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// FaultKinds are all kinds of fault, sorted.
func FaultKinds() []string { return slices.Sorted(maps.Keys(faultKinds)) }

// fault decodes one fault; timed is one with a time of its own.
func (d *decoder) fault(path string, n *node, timed bool) Fault {
	f := Fault{}
	allowed := fields{
		"kind":          d.choice(&f.Kind, FaultKinds()...),
		"target":        d.match(&f.Target, namePattern, wantName),
		"role":          d.choice(&f.Role, "gateway", "lb", "origin"),
		"choose":        d.choice(&f.Choose, chooseRandom, chooseEach),
		"recover_after": d.duration(&f.RecoverAfter, 100*time.Millisecond, hour),
		"latency":       d.duration(&f.Latency, time.Millisecond, time.Minute),
		"rate":          d.number(&f.Rate, 1e6),
		"share":         d.number(&f.Share, 1),
		"cpus":          d.number(&f.CPUs, 256),
	}
	required := []string{"kind", "recover_after"}
	if timed {
		allowed["at"] = d.duration(&f.At, 0, hour)
		allowed["every"] = d.duration(&f.Every, 100*time.Millisecond, hour)
		allowed["times"] = d.whole(&f.Times, 1, 10_000)
		required = append(required, "at")
	}
	d.object(path, n, allowed)
	d.require(path, n, required...)
	switch {
	case d.partial || n.kind != mapping:
	case n.field("target") == nil && n.field("role") == nil:
		d.wrong(n, join(path, "target"), "is missing")
	case n.field("target") != nil && n.field("role") != nil:
		d.wrong(n.field("role"), join(path, "role"), "is not allowed beside a target: want one of them")
	case n.field("times") != nil && n.field("every") == nil:
		d.wrong(n.field("times"), join(path, "times"), "is not allowed without every")
	}
	return f
}

func (d *decoder) random(path string, n *node, out *Random) {
	*out = Random{Gap: 10 * time.Second, Overlap: 2}
	d.object(path, n, fields{
		"at":      d.duration(&out.At, 0, hour),
		"gap":     d.duration(&out.Gap, time.Second, hour),
		"overlap": d.whole(&out.Overlap, 1, 5),
		"faults":  d.items(func(p string, n *node) { out.Faults = append(out.Faults, d.fault(p, n, false)) }),
	})
	d.require(path, n, "faults")
}

func (d *decoder) expect(path string, n *node, out *Expect) {
	bound := func(low, high **int) target {
		return func(p string, n *node) {
			var least, most int
			d.object(p, n, fields{"min": d.whole(&least, 0, 1e9), "max": d.whole(&most, 0, 1e9)})
			if n.field("min") != nil {
				*low = &least
			}
			if n.field("max") != nil {
				*high = &most
			}
		}
	}
	d.object(path, n, fields{
		"idempotent_failed": bound(&out.IdempotentFailedMin, &out.IdempotentFailedMax),
		"failed":            bound(&out.FailedMin, &out.FailedMax),
		"growth":            func(p string, n *node) { d.object(p, n, fields{"max": d.number(&out.GrowthMax, 100)}) },
		"limit":             func(p string, n *node) { d.expectLimit(p, n, &out.Limit) },
		"tokens":            func(p string, n *node) { d.expectTokens(p, n, &out.Tokens) },
	})
}

func (d *decoder) expectLimit(path string, n *node, out *LimitExpect) {
	d.object(path, n, fields{
		"permits":      d.whole(&out.Permits, 1, 1e9),
		"window":       d.duration(&out.Window, time.Second, hour),
		"admitted_min": d.number(&out.AdmittedMin, 1),
		"fault_min":    d.number(&out.FaultMin, 1),
		"above_max":    d.number(&out.AboveMax, 1),
		"commands_max": d.number(&out.CommandsMax, 10),
		"cpu_max":      d.number(&out.CPUMax, 100),
		"free":         d.match(&out.Free, namePattern, wantName),
		"counted":      d.match(&out.Counted, namePattern, wantName),
	})
	d.require(path, n, "permits", "window")
}

func (d *decoder) expectTokens(path string, n *node, out *TokenExpect) {
	d.object(path, n, fields{
		"limit":        d.whole(&out.Limit, 1, 1e9),
		"reserved":     d.whole(&out.Reserved, 1, 1e9),
		"admitted_min": d.number(&out.AdmittedMin, 1),
	})
	d.require(path, n, "limit", "reserved")
}

// checkLimit sees to it that what is compared for the CPU time is there.
func (d *decoder) checkLimit(n *node, s *Stage) {
	l, at := s.Expect.Limit, n.field("expect").field("limit")
	if at == nil || l.CPUMax == 0 {
		return
	}
	for key, name := range map[string]string{"free": l.Free, "counted": l.Counted} {
		if !slices.ContainsFunc(s.Workload.Requests, func(q Request) bool { return q.Name == name }) {
			d.wrong(at, "expect.limit."+key, "%q is not allowed beside cpu_max: want the name of a request of the workload", name)
		}
	}
	if s.Load.Closed.Connections == 0 {
		d.wrong(at, "expect.limit.cpu_max", "is not allowed without load.closed, with which the requests are compared")
	}
}

func (d *decoder) month(path string, n *node, out *Month) {
	d.object(path, n, fields{"faults": d.number(&out.Faults, 1e6), "objective": d.number(&out.Objective, 1)})
	d.require(path, n, "faults", "objective")
}

// nodes are the names of a role's nodes, in order.
func (t Topology) nodes(role string) []string {
	switch role {
	case "gateway":
		return numbered("gateway", 1, t.Replicas)
	case "lb":
		return append([]string{"lb"}, numbered("lb", 2, t.Balancers)...)
	case "origin":
		return append([]string{"origin"}, numbered("origin", 2, t.Origins)...)
	}
	return []string{role}
}

func numbered(name string, from, to int) (out []string) {
	for i := from; i <= to; i++ {
		out = append(out, name+"-"+strconv.Itoa(i))
	}
	return out
}

// targets are what a kind of fault can be done to in a topology.
func (t Topology) targets(kind string) []string {
	var out []string
	switch faultKinds[kind] {
	case aLink:
		for far := range t.Links {
			out = append(out, t.nodes(far)...)
		}
		if len(t.Regions) > 0 {
			out = append(out, "postgres") // the way between the regions leads to it
		}
	case onlyRedis, onlyPg:
		out = []string{faultKinds[kind]}
	case anOrigin:
		out = t.nodes("origin")
	case aMachine:
		out = append(t.nodes("gateway"), t.nodes("lb")...)
	case anyNode:
		for _, role := range []string{"gateway", "lb", "origin", "postgres", "redis"} {
			out = append(out, t.nodes(role)...)
		}
		if len(t.Links) > 0 || len(t.Regions) > 0 {
			out = append(out, "link")
		}
		if len(t.Regions) > 0 {
			out = append(out, "redis-2")
		}
		out = append(out, t.regionTargets(kind)...)
	}
	slices.Sort(out)
	return out
}

// checkFaults sees to it that each fault has a target, and is over before the
// attack that shows its effect.
func (d *decoder) checkFaults(n *node, s *Stage) {
	if at := n.field("faults"); at != nil && at.kind == list && len(at.items) == len(s.Faults) {
		for i, f := range s.Faults {
			path := fmt.Sprintf("faults[%d]", i)
			d.checkTarget(at.items[i], path, f, s)
			switch end := f.At + time.Duration(max(f.Times-1, 0))*f.Every + f.RecoverAfter; {
			case s.Load.Open.Duration == 0:
				d.wrong(at.items[i], path, "a fault without an open attack is not allowed: want load.open")
			case end >= s.Load.Open.Duration:
				d.wrong(at.items[i], path, "at %s and recover_after %s are not allowed: want their sum below the open attack's duration, %s",
					f.At+time.Duration(max(f.Times-1, 0))*f.Every, f.RecoverAfter, s.Load.Open.Duration)
			}
		}
	}
	if at := n.field("random").field("faults"); at != nil && at.kind == list && len(at.items) == len(s.Random.Faults) {
		for i, f := range s.Random.Faults {
			d.checkTarget(at.items[i], fmt.Sprintf("random.faults[%d]", i), f, s)
		}
	}
}

func (d *decoder) checkTarget(n *node, path string, f Fault, s *Stage) {
	if f.Kind == "" {
		return
	}
	allowed := s.Topology.targets(f.Kind)
	if faultKinds[f.Kind] == aLink && len(allowed) == 0 {
		d.wrong(n, path, "%s without a link is not allowed: want topology.links to name the far end", f.Kind)
		return
	}
	if t := n.field("target"); t != nil && f.Target != "" && !slices.Contains(allowed, f.Target) {
		if faultKinds[f.Kind] == aGateway {
			d.refuse(t, path+".target", "role: gateway in its place: "+f.Kind+" is done to all of them")
			return
		}
		d.refuse(t, path+".target", "one of "+orNone(allowed))
	}
	if r := n.field("role"); r != nil && f.Role != "" {
		whole := faultKinds[f.Kind] == aGateway
		if whole && f.Role != "gateway" || !whole && !slices.Contains(allowed, s.Topology.nodes(f.Role)[0]) {
			d.refuse(r, path+".role", "one that "+f.Kind+" can be done to: "+orNone(slices.DeleteFunc(
				[]string{"gateway", "lb", "origin"}, func(role string) bool {
					if whole {
						return role != "gateway"
					}
					return !slices.Contains(allowed, s.Topology.nodes(role)[0])
				})))
		}
	}
}
