package report

import (
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// countryGrid has the latency of each country without and with the edge.
func countryGrid(s *result.Stage) grid {
	g := grid{
		Title: "By country",
		Note: "Latency is open-loop, corrected. Links: the round-trip delay of the links; a hit uses only the link to the edge. Hits:" +
			" the share of requests that the edge answered itself. The percentile of the published figures is not known.",
		Heads: []string{
			"country", "way", "links ms", "p50 ms", "p90 ms", "p99 ms", "mean ms", "errors", "hits", "published ms",
			"published hits",
		},
		Text: []bool{true, true},
	}
	for _, c := range s.Countries {
		p := result.CountryPublished{}
		if c.Published != nil {
			p = *c.Published
		}
		row := func(way string, links float64, l *result.Latency, errors, hits, published, publishedHits *float64) {
			if l == nil {
				l = &result.Latency{}
			}
			g.add(!s.Valid, c.Name, way, figure.Rounded(links), figure.RoundedOr(l.P50), figure.RoundedOr(l.P90), figure.RoundedOr(l.P99),
				figure.RoundedOr(l.Mean), figure.PercentOr(errors), figure.PercentOr(hits), figure.RoundedOr(published),
				figure.PercentOr(publishedHits))
		}
		row("direct", 2*c.DirectLinkMS, c.DirectMS, c.DirectErrorRate, nil, p.DirectMS, nil)
		row("over the edge", 2*(c.NearLinkMS+c.OriginLinkMS), c.EdgeMS, c.EdgeErrorRate, c.HitRatio, p.EdgeMS, p.HitRatio)
	}
	return g
}

// countryText is the median of each country without and with the edge, in one
// sentence.
func countryText(s *result.Stage) string {
	var parts []string
	for _, c := range s.Countries {
		median := func(l *result.Latency) string {
			if l == nil {
				return figure.NA
			}
			return figure.MillisOr(l.P50)
		}
		parts = append(parts,
			c.Name+" p50 "+median(c.DirectMS)+" directly, "+median(c.EdgeMS)+" over the edge ("+figure.PercentOr(c.HitRatio)+" hits)")
	}
	return s.Name + ": " + strings.Join(parts, "; ")
}
