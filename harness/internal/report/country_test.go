package report

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

// sampleEdge is a stage with an edge, in which one country's figures are not
// whole.
func sampleEdge() result.Stage {
	return result.Stage{
		Name: "edge", Valid: true, Replicas: 3, Load: result.Load{Model: result.Open, OfferedQPS: p(300.0), DurationS: 20, Rounds: 1},
		Countries: []result.Country{
			{
				Name: "cn", Code: "CN", OfferedQPS: p(300.0), DirectLinkMS: 55, NearLinkMS: 22, OriginLinkMS: 33,
				DirectMS: &result.Latency{
					P50:  p(112.0),
					P90:  p(135.0),
					Mean: p(118.0),
				}, EdgeMS: &result.Latency{P50: p(51.7), P90: p(127.0), P99: p(147.0), Mean: p(76.3)},
				DirectErrorRate: p(0.0), EdgeErrorRate: p(0.001), EdgeCache: map[string]uint64{"HIT": 653, "MISS": 340,
					"BYPASS": 7}, HitRatio: p(0.653),
				Published: &result.CountryPublished{DirectMS: p(120.0), EdgeMS: p(45.0), HitRatio: p(0.72)},
			},
			{Name: "others", Code: "DE", DirectLinkMS: 36, NearLinkMS: 3, OriginLinkMS: 33, EdgeMS: &result.Latency{P50: p(76.1)}},
		},
	}
}

func TestCountries(t *testing.T) {
	r := &result.Result{Scenario: "edge", Runtime: "docker", Stages: []result.Stage{sampleEdge()}}
	r.Settle()
	text := rendered(t, result.FileMarkdown, r)
	for _, want := range []string{
		"| country | way | links ms | p50 ms | p90 ms | p99 ms | mean ms | errors | hits | published ms | published hits |",
		"| cn | direct | 110 | 112 | 135 | n/a | 118 | 0% | n/a | 120 | n/a |",
		"| cn | over the edge | 110 | 51.7 | 127 | 147 | 76.3 | 0.1% | 65.3% | 45 | 72% |",
		"| others | direct | 72 | n/a | n/a | n/a | n/a | n/a | n/a | n/a | n/a |",
		"| others | over the edge | 72 | 76.1 | n/a | n/a | n/a | n/a | n/a | n/a | n/a |",
		"**edge: cn p50 112 ms directly, 51.7 ms over the edge (65.3% hits); others p50 n/a directly, 76.1 ms over the edge (n/a hits)**",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("report.md has no %q", want)
		}
	}
	if page := rendered(t, result.FileHTML, r); !strings.Contains(page, "over the edge") || !strings.Contains(page, "65.3%") {
		t.Error("report.html has no table by country")
	}
	for _, problem := range resulttest.Violations(t, []byte(rendered(t, result.FileJSON, r))) {
		t.Error(problem)
	}
	without := resulttest.Ladder().Stages[0]
	if g := countryGrid(&without); !g.empty() {
		t.Error("a stage without an edge has a table by country")
	}
}
