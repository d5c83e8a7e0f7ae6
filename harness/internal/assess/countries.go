package assess

import (
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// countries are what each country met with and without the edge, its rounds
// merged; nil for a stage without an edge.
func (m *Measurement) countries() []result.Country {
	var out []result.Country
	for i, c := range m.Stage.Edge.Countries {
		direct, over := merge(every(m.Direct, i, len(m.Stage.Edge.Countries))), merge(every(m.Open, i, len(m.Stage.Edge.Countries)))
		if direct == nil || over == nil {
			continue
		}
		one := result.Country{
			Name: c.Name, Code: c.Code, OfferedQPS: new(over.Attack.Rate),
			DirectLinkMS: InMS(c.Direct.Latency), NearLinkMS: InMS(c.Near.Latency), OriginLinkMS: InMS(m.Stage.Edge.Origin.Latency),
			DirectMS: Latency(direct.Corrected), EdgeMS: Latency(over.Corrected),
			DirectErrorRate: new(direct.ErrorRate()), EdgeErrorRate: new(over.ErrorRate()),
			EdgeCache: over.EdgeCache, HitRatio: hitRatio(over),
		}
		if p := c.Published; p != nil {
			one.Published = &result.CountryPublished{DirectMS: given(p.DirectMs), EdgeMS: given(p.EdgeMs), HitRatio: given(p.HitRatio)}
		}
		out = append(out, one)
	}
	return out
}

// every is the i-th of n attacks of each round.
func every(attacks []*Recording, i, n int) []*Recording {
	var out []*Recording
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
	return new(float64(res.EdgeCache["HIT"]+res.EdgeCache["STALE"]) / float64(all))
}

// given is nil for a figure that is not given.
func given(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}
