package result_test

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// measured is a stage with a figure of every kind.
func measured() result.Stage {
	latency := func(ms float64) *result.Latency {
		return &result.Latency{P50: p(ms), P90: p(2 * ms), P95: p(3 * ms), P99: p(4 * ms), Max: p(6 * ms), Mean: p(1.5 * ms)}
	}
	return result.Stage{
		Name: "cache", Load: result.Load{Model: result.Both}, QPS: p(1000.0), LatencyMS: latency(10), ErrorRate: p(0.01),
		Cache: &result.Cache{HitRatio: p(0.9)}, Availability: &result.Availability{Availability: 0.999},
		CPUPerRequestUS: map[string]float64{"gateway": 150, "lb": 40},
		MemoryPeakMiB:   map[string]float64{"gateway-1": 60, "gateway-2": 64, "redis": 5},
		Mix:             map[string]result.Outcomes{"login": {Requests: 200, Successes: 190, Failed: 10}},
		MixLatencyMS:    map[string]result.Latency{"login": *latency(20)},
		Attacks: []result.Attack{
			{Model: result.Closed, DurationS: 5, Outcomes: result.Outcomes{Successes: 5000}},
			{Model: result.Open, DurationS: 10, Outcomes: result.Outcomes{Successes: 4000}},
			{Model: result.Open, DurationS: 10, Outcomes: result.Outcomes{Successes: 4000}},
		},
	}
}

func TestEveryMetricHasItsFigure(t *testing.T) {
	s := measured()
	for _, row := range []struct {
		text string
		want float64
	}{
		{"p50<1s", 10}, {"p90<1s", 20}, {"p95<1s", 30}, {"p99<1s", 40}, {"max<1s", 60}, {"mean<1s", 15}, {"p99{login}<1s", 80},
		{"errors<2%", 0.01}, {"errors{login}<2%", 0.05}, {"availability>99%", 0.999}, {"hits>50%", 0.9},
		{"qps>10", 1000}, {"qps{login}>5", 9.5},
		{"cpu<1ms", 150}, {"cpu{lb}<1ms", 40}, {"memory<1GiB", 64}, {"memory{gateway-1}<1GiB", 60}, {"memory{redis}<1GiB", 5},
	} {
		t.Run(row.text, func(t *testing.T) {
			got := judged(t, &s, row.text).Objectives[0]
			if got.Value == nil || *got.Value != row.want {
				t.Errorf("%+v, value %v: want %v", got, got.Value, row.want)
			}
		})
	}
	open := measured()
	open.QPS = nil
	if got := judged(t, &open, "qps>10").Objectives[0]; got.Value == nil || *got.Value != 400 {
		t.Errorf("without a closed loop: %+v, want the open loop's 400", got)
	}
}

func judged(t *testing.T, s *result.Stage, text string) *result.SLO {
	t.Helper()
	all, err := slo.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.Judge(all)
}

func TestWhatIsNotKnownIsNotMet(t *testing.T) {
	empty := result.Stage{Name: "empty"}
	for text, why := range map[string]string{
		"p99<1s": "no open-loop attack", "errors<1%": "nothing was sent", "availability>1%": "load.probe", "hits>1%": "was a hit",
		"qps>1": "nothing was sent", "cpu<1s": "no CPU time of gateway", "memory{redis}<1GiB": "no memory of redis",
		"errors{a}<1%": "no such request",
	} {
		got := judged(t, &empty, text)
		if got.Met != nil || got.Objectives[0].Met != nil || !strings.Contains(got.Objectives[0].Saw(), why) {
			t.Errorf("%s: %+v: want not known because %q", text, got, why)
		}
	}
	s := measured()
	s.LatencyMS.P999 = nil
	if got := judged(t, &s, "p99.9<1s,p99<1ms"); got.Met == nil || *got.Met {
		t.Errorf("%+v: what is missed decides, whatever is not known", got)
	}
	if got := judged(t, &s, "p99.9<1s,p99<1s"); got.Met != nil {
		t.Errorf("%+v: want not known", got)
	}
	r := result.Result{Stages: []result.Stage{s}}
	r.Stages[0].SLO = judged(t, &s, "p99.9<1s,p99<1ms,p50<1s")
	if unmet := r.Unmet(); len(unmet) != 2 || unmet[1].Objective.Objective != "p99<1ms" || unmet[1].Saw() != "40 ms" {
		t.Errorf("unmet %+v", unmet)
	}
}
