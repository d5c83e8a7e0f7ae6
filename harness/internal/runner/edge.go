package runner

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// countryHeader tells the edge of the lab what Cloudflare's edge knows of a
// client's address. The gateways get it from the edge only.
const countryHeader = "CF-IPCountry"

// edgeOf is the edge node that a stage asks for; nil for none.
func edgeOf(s *scenario.Stage) *lab.Edge {
	if len(s.Edge.Countries) == 0 {
		return nil
	}
	e := &lab.Edge{Vars: s.Edge.Vars, Origin: lab.Link(s.Edge.Origin)}
	for _, c := range s.Edge.Countries {
		e.Ways = append(e.Ways, lab.Way{Name: c.Name, Direct: lab.Link(c.Direct), Near: lab.Link(c.Near)})
	}
	return e
}

// edgeAttacks runs a round of a stage with an edge: every country over its
// direct way, then every country over the edge, one after the other and at the
// same rate, with the same requests.
func (r *run) edgeAttacks(ctx context.Context, m *measured, round int) error {
	for _, over := range []bool{false, true} {
		if over {
			if err := r.warmEdge(ctx, m.stage, round); err != nil {
				return err
			}
		}
		for i := range m.stage.Edge.Countries {
			a, label := r.countryAttack(m.stage, i, round, over)
			r.Console.Step("%s: %s", m.stage.Name, label)
			got, err := r.run(ctx, m.stage, a, nil)
			if err != nil {
				return err
			}
			got.round, got.label = round, label
			if over {
				m.open = append(m.open, got)
			} else {
				m.direct = append(m.direct, got)
			}
		}
	}
	return nil
}

// countryAttack is the open attack of the i-th country, directly or over the
// edge.
func (r *run) countryAttack(s *scenario.Stage, i, round int, over bool) (load.Attack, string) {
	c, o := s.Edge.Countries[i], s.Load.Open
	direct, edge := r.lab.Ways(i)
	a := r.attack(s, load.Open, round)
	a.Rate, a.Warmup, a.Duration, a.Timeout, a.Connections = o.Rate*c.Share, o.Warmup, o.Duration, o.Timeout, o.Connections
	a.Target = "http://" + direct
	label := c.Name + " direct"
	if over {
		a.Target = "http://" + edge
		label = c.Name + " over the edge"
		for i := range a.Requests {
			a.Requests[i].Header = with(a.Requests[i].Header, countryHeader, c.Code)
		}
	}
	a.ID += dashed(label)
	return a, label
}

// warmConnections keep an edge busy while it is made warm.
const warmConnections = 32

// warmEdge sends requests that are not measured, for as long as an attack's
// warm-up for each country: a JavaScript engine that has just started
// interprets, and takes several times as long for a request as one that has
// run for a minute, as an edge's has.
func (r *run) warmEdge(ctx context.Context, s *scenario.Stage, round int) error {
	for i := range s.Edge.Countries {
		a, label := r.countryAttack(s, i, round, true)
		a.ID += "-warm"
		a.Model, a.Rate, a.Connections, a.Warmup = load.Closed, 0, warmConnections, 0
		if a.Duration = s.Load.Open.Warmup; a.Duration == 0 {
			return nil
		}
		if _, err := r.worker.Run(ctx, a, func(p load.Progress) { r.Console.Live(live(s.Name, a, p)) }); err != nil {
			return fmt.Errorf("warm %s: %w", label, err)
		}
	}
	return nil
}

// dashed makes a label part of a file's name or of an attack's: " over the
// edge" is "-over-the-edge", nothing is nothing.
func dashed(label string) string {
	if label == "" {
		return ""
	}
	return "-" + strings.ReplaceAll(label, " ", "-")
}

// with is a copy of headers with one more.
func with(headers map[string]string, name, value string) map[string]string {
	out := maps.Clone(headers)
	if out == nil {
		out = map[string]string{}
	}
	out[name] = value
	return out
}

// countries are what each country met with and without the edge, its rounds
// merged; nil for a stage without an edge.
func (r *run) countries(m *measured) []report.Country {
	var out []report.Country
	for i, c := range m.stage.Edge.Countries {
		direct, over := merge(every(m.direct, i, len(m.stage.Edge.Countries))), merge(every(m.open, i, len(m.stage.Edge.Countries)))
		if direct == nil || over == nil {
			continue
		}
		one := report.Country{
			Name: c.Name, Code: c.Code, OfferedQPS: ptr(over.Attack.Rate),
			DirectLinkMS: inMS(c.Direct.Latency), NearLinkMS: inMS(c.Near.Latency), OriginLinkMS: inMS(m.stage.Edge.Origin.Latency),
			DirectMS: latency(direct.Corrected), EdgeMS: latency(over.Corrected),
			DirectErrorRate: ptr(direct.ErrorRate()), EdgeErrorRate: ptr(over.ErrorRate()),
			EdgeCache: over.EdgeCache, HitRatio: hitRatio(over),
		}
		if p := c.Published; p != nil {
			one.Published = &report.CountryPublished{DirectMS: given(p.DirectMs), EdgeMS: given(p.EdgeMs), HitRatio: given(p.HitRatio)}
		}
		out = append(out, one)
	}
	return out
}

// every is the i-th of n attacks of each round.
func every(attacks []*attacked, i, n int) []*attacked {
	var out []*attacked
	for ; i < len(attacks); i += n {
		out = append(out, attacks[i])
	}
	return out
}

// hitRatio is the share of all requests that the edge answered by itself: what
// it may not cache counts as well, as in the published figure. Nil where the
// edge was not seen.
func hitRatio(res *load.Result) *float64 {
	var all uint64
	for _, n := range res.EdgeCache {
		all += n
	}
	if all == 0 {
		return nil
	}
	return ptr(float64(res.EdgeCache["HIT"]+res.EdgeCache["STALE"]) / float64(all))
}

// given is nil for a figure that nobody gave.
func given(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

// edgeLinks are the delays of an edge's ways, for the manifest.
func edgeLinks(e scenario.Edge) map[string]string {
	out := map[string]string{}
	if len(e.Countries) == 0 {
		return out
	}
	out["edge to balancer"] = e.Origin.Latency.String() + " each way"
	for _, c := range e.Countries {
		out[c.Name+" to balancer"] = fmt.Sprintf("%s each way", c.Direct.Latency)
		out[c.Name+" to edge"] = fmt.Sprintf("%s each way", c.Near.Latency)
	}
	return out
}
