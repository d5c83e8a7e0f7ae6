package report

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
)

func ptr[T any](v T) *T { return &v }

// shapedStage is a stage of two segments, of which the second was not kept.
func shapedStage() *result.Stage {
	return &result.Stage{Name: "shaped", Valid: true, Load: result.Load{Model: result.Open, OfferedQPS: ptr(150.0), Workers: ptr(2)},
		Attacks: []result.Attack{{
			Model: result.Open, Round: 1, BeganAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DurationS: 4,
			Segments: []result.Segment{
				{Name: "calm", DurationS: 2, FromQPS: 100, ToQPS: 100, Outcomes: result.Outcomes{Requests: 200, Successes: 200},
					LatencyMS: &result.Latency{P50: ptr(1.5)}, ErrorRate: ptr(0.0)},
				{Name: "up", OffsetS: 2, DurationS: 2, FromQPS: 100, ToQPS: 300, Outcomes: result.Outcomes{Requests: 300, Successes: 250, Failed: 50},
					Unsent: 100, ErrorRate: ptr(1.0 / 6)},
			},
			Series: []result.Second{
				{Offset: 0, Requests: 100, Successes: 100, TargetQPS: ptr(100.0)},
				{Offset: 1, Requests: 100, Successes: 100, TargetQPS: ptr(100.0)},
				{Offset: 2, Requests: 150, Successes: 125, Failed: 25, TargetQPS: ptr(150.0)},
				{Offset: 3, Requests: 150, Successes: 125, Failed: 25, TargetQPS: ptr(250.0)},
			},
			Workers: []result.Worker{
				{Name: "worker", Outcomes: result.Outcomes{Requests: 250}, ClockUncertainMS: 0.05, CPU: ptr(0.2)},
				{Name: "worker-2", Outcomes: result.Outcomes{Requests: 250}, ClockAheadMS: -3.2, ClockUncertainMS: 0.1, ClockDriftMS: 0.01,
					LateMS: 1.5},
			},
		}},
		Soak: []result.Soak{
			{Metric: "memory", Node: "gateway-1", Unit: "MiB", Round: 1, Values: 300, Begin: ptr(100.0), Change: ptr(60.0), Low: ptr(55.0),
				High: ptr(65.0), PerHour: ptr(360.0), Allowed: ptr(10.0), Verdict: result.SoakDrift},
			{Metric: "p99", Unit: "ms", Round: 1, Verdict: result.SoakInconclusive, Why: "9 values: want 30 or more, so a longer attack"},
		},
	}
}

func TestSegmentsAndWorkersAndDriftInWords(t *testing.T) {
	s := shapedStage()
	g := segmentGrid(s)
	if len(g.Rows) != 2 || strings.Join(g.Rows[0], "|") != "calm|0|2|100|200|100%|100|1.5|n/a|0%" ||
		strings.Join(g.Rows[1], "|") != "up|2|4|100 to 300|400|75%|125|n/a|n/a|16.7%" {
		t.Errorf("segments %q", g.Rows)
	}
	g = soakGrid(s)
	if len(g.Rows) != 2 || strings.Join(g.Rows[0], "|") != "memory of gateway-1, MiB|100|60|55 to 65|360|10|drift" || !g.Bad[0] || g.Bad[1] ||
		!strings.HasSuffix(g.Rows[1][6], "inconclusive: 9 values: want 30 or more, so a longer attack") {
		t.Errorf("drift %q", g.Rows)
	}
	if got := soakText(s); got != "drift: memory of gateway-1" {
		t.Errorf("soak: %s", got)
	}
	facts := map[string]string{}
	for _, f := range stageFacts(s) {
		facts[f.Name] = f.Value
	}
	if got := facts["workers of the open-loop attack"]; got != "worker 250 requests, clock +0 ms ±0.05 ms, drift +0 ms, CPU 20%; "+
		"worker-2 250 requests, clock -3.2 ms ±0.1 ms, drift +0.01 ms, began 1.5 ms late" {
		t.Errorf("workers: %s", got)
	}
	if got := facts["load"]; !strings.Contains(got, "2 workers") {
		t.Errorf("load: %s", got)
	}
	s.Attacks[0].Workers[1] = result.Worker{Name: "worker-2", Lost: "lost after 1.0 of 4.0 s: connection refused"}
	if got := workersText(&s.Attacks[0]); !strings.HasSuffix(got, "; worker-2 lost after 1.0 of 4.0 s: connection refused") {
		t.Errorf("workers: %s", got)
	}
}

// The rate asked for is a line of its own, up to its highest value.
func TestTimePlotHasTheRateAskedFor(t *testing.T) {
	s := shapedStage()
	plot := timePlot(s, &s.Attacks[0], nil)
	for _, want := range []string{"lines: sent/s, and dashed the offered rate", "125 successes, 250 asked for", `class="line l1"`} {
		if !strings.Contains(plot, want) {
			t.Errorf("there is no %q in the plot", want)
		}
	}
	if n := strings.Count(plot, `class="line thin l2"`); n != 1 {
		t.Errorf("%d dashed lines, want one", n)
	}
	for i := range s.Attacks[0].Series {
		s.Attacks[0].Series[i].TargetQPS = nil
	}
	if plot := timePlot(s, &s.Attacks[0], nil); strings.Contains(plot, "asked for") || strings.Contains(plot, `class="line l1"`) {
		t.Error("a rate that stays has a line of its own")
	}
}
