package report

import "strings"

// countries is what distance costs, and what the edge takes off it.
func (s *Stage) countries() grid {
	g := grid{
		Title: "By country",
		Note:  "Latency is open-loop, corrected. Links is their delay there and back, on a hit only to the edge. Hits are what the edge answered itself, of all requests. Published figures do not say which percentile they are.",
		Heads: []string{"country", "way", "links ms", "p50 ms", "p90 ms", "p99 ms", "mean ms", "errors", "hits", "published ms", "published hits"},
		Text:  []bool{true, true},
	}
	for _, c := range s.Countries {
		p := CountryPublished{}
		if c.Published != nil {
			p = *c.Published
		}
		row := func(way string, links float64, l *Latency, errors, hits, published, publishedHits *float64) {
			if l == nil {
				l = &Latency{}
			}
			g.add(!s.Valid, c.Name, way, figure(links), figureOr(l.P50), figureOr(l.P90), figureOr(l.P99), figureOr(l.Mean),
				percentOr(errors), percentOr(hits), figureOr(published), percentOr(publishedHits))
		}
		row("direct", 2*c.DirectLinkMS, c.DirectMS, c.DirectErrorRate, nil, p.DirectMS, nil)
		row("over the edge", 2*(c.NearLinkMS+c.OriginLinkMS), c.EdgeMS, c.EdgeErrorRate, c.HitRatio, p.EdgeMS, p.HitRatio)
	}
	return g
}

// distance is the median of each country without and with the edge, in one
// sentence.
func (s *Stage) distance() string {
	var parts []string
	for _, c := range s.Countries {
		median := func(l *Latency) string {
			if l == nil {
				return na
			}
			return spanOr(l.P50)
		}
		parts = append(parts, c.Name+" p50 "+median(c.DirectMS)+" directly, "+median(c.EdgeMS)+" over the edge ("+percentOr(c.HitRatio)+" hits)")
	}
	return s.Name + ": " + strings.Join(parts, "; ")
}
