package assess

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/slo"
)

// shapedStage is one whose rate doubles after two seconds, with an objective for the second half.
func shapedStage() *scenario.Stage {
	return &scenario.Stage{Name: "shaped", Rounds: 1, SLO: slo.Objectives{slo.At(slo.P99, "", 1000)}, Load: scenario.Attacks{
		Open: scenario.Open{Shape: []scenario.Segment{
			{Name: "calm", For: 2 * time.Second, Level: 1, To: 1},
			{Name: "spike", For: 2 * time.Second, Level: 2, To: 2, SLO: slo.Objectives{slo.At(slo.P50, "", 5), slo.At(slo.Errors, "", 0.5)}},
		}},
	}}
}

// shapedResult is what was seen of it: in the spike a part of what was due was not sent, and what was sent took long.
func shapedResult(unsent uint64) *load.Result {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var fast, slow measure.Histogram
	for range 200 {
		fast.Record(time.Millisecond)
		slow.Record(10 * time.Millisecond)
	}
	shape := []load.Segment{{For: 2 * time.Second, From: 1, To: 1}, {For: 2 * time.Second, From: 2, To: 2}}
	all := fast.Clone()
	all.Merge(slow)
	spike := load.Counts{Requests: 400 - unsent, Successes: 200, Failed: 200 - unsent}
	return &load.Result{
		Attack: load.Attack{Model: load.Open, Rate: 100, Warmup: time.Second, Duration: 4 * time.Second, Shape: shape},
		Began:  began, Ended: began.Add(4 * time.Second), Corrected: all, Unsent: unsent,
		Counts: load.Counts{Requests: 600 - unsent, Successes: 400, Failed: 200 - unsent},
		Segments: []load.SegmentResult{
			{Segment: shape[0], Counts: load.Counts{Requests: 200, Successes: 200}, Corrected: fast},
			{Segment: shape[1], Counts: spike, Unsent: unsent, Corrected: slow},
		},
		Series: []load.Second{{Offset: 0}, {Offset: 1}, {Offset: 2}, {Offset: 3}},
	}
}

func TestSegmentsInTheReport(t *testing.T) {
	m := &Measurement{Stage: shapedStage(), Open: []*Recording{{Result: shapedResult(100), Round: 1}}, Empty: true}
	s, _ := m.Result()
	a := s.Attacks[0]
	if len(a.Segments) != 2 || a.Segments[1].Name != "spike" || a.Segments[1].OffsetS != 2 || a.Segments[1].FromQPS != 200 ||
		a.Segments[1].Unsent != 100 || *a.Segments[1].LatencyMS.P50 < 9 || *a.OfferedQPS != 150 {
		t.Errorf("segments %+v, offered %v", a.Segments, *a.OfferedQPS)
	}
	for i, want := range []float64{100, 100, 200, 200} {
		if got := a.Series[i].TargetQPS; got == nil || *got != want {
			t.Errorf("second %d: target %v, want %v", i, got, want)
		}
	}
	var texts []string
	for _, o := range s.SLO.Objectives {
		texts = append(texts, o.Text()+" "+o.Verdict())
	}
	if len(texts) != 3 || texts[0] != "p99<=1s not known" || texts[1] != "spike: p50<=5ms missed" || texts[2] != "spike: errors<=50% met" ||
		*s.SLO.Met {
		t.Errorf("objectives %q, met %v", texts, *s.SLO.Met)
	}
}

// What a generator left out of a spike is no small share of all: it is told by segment.
func TestRateKeptInEverySegment(t *testing.T) {
	m := &Measurement{Stage: shapedStage(), Empty: true}
	for _, row := range []struct {
		unsent uint64
		want   measure.Verdict
	}{{0, measure.OK}, {5, measure.Invalid}} {
		f := m.Facts(&Recording{Result: shapedResult(row.unsent), Round: 1})
		if f.Peak != 200 || f.Offered != 150 || len(f.Trends) != 0 {
			t.Errorf("peak %v, offered %v, trends %v", f.Peak, f.Offered, f.Trends)
		}
		if c := find(t, measure.Run(f), "rate kept"); c.Verdict != row.want {
			t.Errorf("%d unsent: %s, %s", row.unsent, c.Verdict, c)
		}
	}
}
