package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

func searched() *result.Result {
	p := func(v float64) *float64 { return &v }
	r := &result.Result{
		RunID:      "r",
		Scenario:   "capacity-multi",
		Runtime:    "docker",
		StartedAt:  time.Unix(1.7e9, 0),
		FinishedAt: time.Unix(1.7e9+60, 0),
	}
	r.Stages = []result.Stage{{Name: "multi-1", Valid: true, Load: result.Load{Model: result.Open}}}
	r.Capacity = []result.Capacity{
		{
			Stage:    "multi-1",
			Replicas: 1,
			SLO:      "p99<50ms",
			QPS:      p(1600),
			KneeQPS:  p(1600),
			Limit:    "the SLO: p99 80 ms",
			Closed:   []float64{2000, 2100},
			Points: []result.CapacityPoint{
				{OfferedQPS: 800, QPS: 800, P99MS: p(5), Valid: true},
				{OfferedQPS: 1600, QPS: 1600, P99MS: p(20), Valid: true, Confirms: true},
				{OfferedQPS: 3200, QPS: 3000, P99MS: p(80), Valid: true, Missed: "p99 80 ms, want at most 50ms"},
				{OfferedQPS: 6400, QPS: 3000, Valid: false, Missed: "send lag: <b>"},
			},
		},
		{Stage: "multi-2", Replicas: 2, SLO: "p99<50ms", Limit: "the generator", Points: []result.CapacityPoint{{OfferedQPS: 800, P99MS: p(90)}}},
	}
	return r
}

func TestAPredictionThatIsTooWideSaysSo(t *testing.T) {
	r := searched()
	r.Scalability = &result.Scalability{Lambda: 3000, Identified: true, Predictions: []result.Prediction{
		{
			Replicas: 10,
			QPS:      result.Range{Value: 27_000, Low: 24_000, High: 30_000},
		}, {Replicas: 100, QPS: result.Range{Value: 116_000, Low: 11_000, High: 249_000}},
	}}
	r.Settle()
	var text bytes.Buffer
	if err := CapacityText(&text, r); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text.String(), "\n") {
		if wide := strings.Contains(line, "too wide"); strings.Contains(line, "extrapolated") && wide != strings.Contains(line, "100 replicas") {
			t.Errorf("too wide to say anything: %v in %q", wide, line)
		}
	}
}

func TestCapacityIsInEveryFormat(t *testing.T) {
	r := searched()
	r.Scalability = &result.Scalability{Lambda: 2000, Identified: false, Reason: "the host was full"}
	r.Settle()
	var md, page, svg, text bytes.Buffer
	for _, err := range []error{Markdown(&md, r), HTML(&page, r), CapacitySVG(&svg, r), CapacityText(&text, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"markdown": md.String(), "page": page.String(), "text": text.String()} {
		for _, want := range []string{"1,600", "EXTRAPOLATION", "REFUSED: the host was full"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: nothing of %q", name, want)
			}
		}
	}
	if !strings.Contains(page.String(), "p99 against rate") || !strings.Contains(svg.String(), ">knee<") ||
		!strings.Contains(svg.String(), `r="6"`) {
		t.Error("no plot, no knee, or no large dot")
	}
	if strings.Contains(page.String(), "<b>") || strings.Contains(svg.String(), "<b>") {
		t.Error("foreign text became markup")
	}
	if h := headline(r); h != "1 replica(s): 1,600 requests/s within p99<50ms; 2 replica(s): no rate within p99<50ms" {
		t.Errorf("headline %q", h)
	}
	if onePoint() != "" {
		t.Error("a plot of one point")
	}
}

func onePoint() string {
	r := searched()
	r.Capacity = r.Capacity[1:]
	return capacityPlot(r)
}

func TestComparisonIsInEveryFormat(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	r := searched()
	r.Capacity = nil
	r.Comparison = &result.Comparison{
		Arms:    []string{"base: a", "head: b"},
		Verdict: "fail",
		Reason:  "proxy cpu beyond the margin",
		Notes:   []string{"a note"},
		Metrics: []result.ComparisonMetric{
			{Name: "proxy cpu", Ratio: 1.334, Low: p(1.3), High: p(1.4), Margin: p(1.1), Verdict: "fail"},
			{Name: "proxy p99", Verdict: "inconclusive"},
		},
	}
	r.Settle()
	var md, page bytes.Buffer
	for _, err := range []error{Markdown(&md, r), HTML(&page, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"markdown": md.String(), "page": page.String()} {
		for _, want := range []string{"head: b against base: a: fail: proxy cpu", "1.334", "a note", "FAIL: proxy cpu beyond the margin"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: nothing of %q", name, want)
			}
		}
	}
}

func TestRemediesAndWarningsAreInEveryFormat(t *testing.T) {
	r := searched()
	r.Stages[0].Checks = []measure.Check{
		{Name: "host", Saw: "steal 9%", Limit: "2%", Verdict: measure.Warning, Remedy: "run again when it is quiet"},
		{Name: "send lag", Saw: "p99 9 ms", Limit: "1 ms", Verdict: measure.Invalid, Remedy: "lower the rate"},
	}
	r.Settle()
	var md, page bytes.Buffer
	for _, err := range []error{Markdown(&md, r), HTML(&page, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"markdown": md.String(), "page": page.String()} {
		for _, want := range []string{"run again when it is quiet", "lower the rate", "INVALID"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: nothing of %q", name, want)
			}
		}
	}
	if s := r.Stages[0]; s.Valid || r.Valid || len(s.Warnings) != 1 {
		t.Errorf("valid %v, warnings %q", s.Valid, s.Warnings)
	}
}
