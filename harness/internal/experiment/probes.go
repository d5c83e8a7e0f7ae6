package experiment

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// entry is an entry point to the gateways, probed with one method.
type entry struct {
	name   string // the node
	method string
	rate   float64
	direct bool // a gateway itself: for information
	result *load.Result
}

// entryPoints are the entry points to probe.
func (x *experiment) entryPoints() []*entry {
	var out []*entry
	p := x.stage.Load.Probe
	for i := 1; i <= x.stage.Topology.Balancers; i++ {
		name := topology.NameOf(topology.RoleBalancer, i)
		out = append(out,
			&entry{name: name, method: http.MethodGet, rate: p.Rate},
			&entry{name: name, method: http.MethodPost, rate: p.PostRate})
	}
	for i := 1; i <= x.stage.Topology.Replicas; i++ {
		out = append(out, &entry{name: topology.GatewayName(i), method: http.MethodGet, rate: p.DirectRate, direct: true})
	}
	return slices.DeleteFunc(out, func(e *entry) bool { return e.rate == 0 || len(x.requests(e.method)) == 0 })
}

// requests are the workload's requests of a method, without those that are meant to be limited.
func (x *experiment) requests(method string) []load.Request {
	all := stage.Workload(x.session, x.stage, load.Probes, 1).Requests
	return slices.DeleteFunc(all, func(q load.Request) bool {
		return q.LimitedOK || q.Method != method && (q.Method != "" || method != http.MethodGet)
	})
}

// probed are the requests of probes. Those that are no part of the load, whose weight is 0, are probed where there is no other.
func probed(all []load.Request) []load.Request {
	if slices.ContainsFunc(all, func(q load.Request) bool { return q.Weight > 0 }) {
		return all
	}
	all = slices.Clone(all)
	for i := range all {
		all[i].Weight = 1
	}
	return all
}

// probe sends probes to one entry point for as long as the load lasts.
func (x *experiment) probe(ctx context.Context, beside load.Attack, e *entry) error {
	p := beside
	p.ID = fmt.Sprintf("%s-%s-%s", beside.ID, e.name, e.method)
	port := topology.PortBalancer
	if e.direct {
		port = topology.PortProxy
	}
	p.Target, p.Standby = x.session.URL(e.name, port), ""
	p.Model, p.Rate = load.Probes, e.rate
	p.Timeout = x.stage.Load.Probe.Timeout
	p.Connections, p.Warmup = 0, 0
	p.Shape, p.Arrivals = nil, load.Even
	p.Requests, p.SampleEvery = probed(x.requests(e.method)), 1
	res, err := x.session.Workers.Run(ctx, p, func(load.Progress) {})
	e.result = res
	return err
}

// client is what a client sees that knows every balancer: a probe of the first
// one, or of another where that failed. Nil without probes of the kind.
func (x *experiment) client(method string) *load.Result {
	var out *load.Result
	for _, e := range x.entries {
		switch {
		case e.direct || e.method != method || e.result == nil:
		case out == nil:
			whole := *e.result
			whole.Probes = slices.Clone(whole.Probes)
			out = &whole
		default:
			for i := range min(len(out.Probes), len(e.result.Probes)) {
				if !out.Probes[i].OK && e.result.Probes[i].OK {
					offset := out.Probes[i].Offset
					out.Probes[i] = e.result.Probes[i]
					out.Probes[i].Offset = offset
				}
			}
		}
	}
	return out
}

// failedEverywhere counts the probes of a kind that failed at every balancer:
// a client that knows two of them tries the other.
func (x *experiment) failedEverywhere(method string) (n uint64) {
	res := x.client(method)
	if res == nil {
		return 0
	}
	for _, p := range res.Probes {
		if !p.OK {
			n++
		}
	}
	return n
}

// figures are what the probes of an entry point met.
func (e *entry) figures() result.Entry {
	out := result.Entry{Name: e.name, Method: e.method, Information: e.direct, RatePerS: e.rate, Failures: map[string]uint64{}}
	probes := assess.ProbesOf(e.result, time.Time{}, assess.Forever)
	for _, p := range e.result.Probes {
		if p.OK {
			continue
		}
		out.Failures[p.Err+" "+said(p, e.name)]++
	}
	out.Availability = assess.Availability(probes)
	for _, o := range measure.Outages(probes, assess.OutageGap) {
		out.OutageMS += assess.InMS(o.Length())
		out.LongestOutageMS = max(out.LongestOutageMS, assess.InMS(o.Length()))
	}
	out.ResolutionMS = assess.InMS(measure.Resolution(probes))
	return out
}

// said is who made a failure known.
func said(p load.Probe, entry string) string {
	switch {
	case p.Node != "":
		return "by " + p.Node
	case p.Status != 0:
		return "by " + entry
	}
	return "(no answer)"
}
