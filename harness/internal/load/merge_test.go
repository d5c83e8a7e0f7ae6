package load

import (
	"math"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

func histogram(d time.Duration, n int) (h measure.Histogram) {
	for range n {
		h.Record(d)
	}
	return h
}

func TestMerge(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tw := 7
	one := &Result{Attack: Attack{ID: "r1", Model: Open}, Began: at, Ended: at.Add(time.Second), Counts: Counts{100, 90, 4, 6},
		Status: map[int]uint64{200: 90}, Errors: map[string]uint64{KindTimeout: 6}, Corrected: histogram(10*time.Millisecond, 90),
		Service:   histogram(time.Millisecond, 90),
		ByRequest: map[string]Counts{"a": {100, 90, 4, 6}}, Series: []Second{{Offset: 0, Counts: Counts{Requests: 100}}}, InFlight: 1,
		WorkerCPUSeconds: 0.5, PeakWorkers: 9,
		Probes: []Probe{{Offset: 100 * time.Millisecond}}, TimeWait: &tw}
	two := &Result{Attack: Attack{ID: "r2", Model: Open}, Began: at.Add(time.Minute), Ended: at.Add(time.Minute + 3*time.Second),
		Counts: Counts{1000, 1000, 0, 0},
		Status: map[int]uint64{200: 1000}, Errors: map[string]uint64{}, Corrected: histogram(50*time.Millisecond, 1000),
		Service:   histogram(time.Millisecond, 1000),
		ByRequest: map[string]Counts{"a": {1000, 1000, 0, 0}}, Series: []Second{{Offset: 0}, {Offset: 1}, {Offset: 2}}, InFlight: 5,
		WorkerCPUSeconds: 1, PeakWorkers: 4,
		Probes: []Probe{{Offset: 200 * time.Millisecond}}, Unsent: 3}
	got, err := Merge([]*Result{one, two})
	if err != nil {
		t.Fatal(err)
	}
	if got.Counts != (Counts{1100, 1090, 4, 6}) || got.ByRequest["a"] != got.Counts || got.Status[200] != 1090 ||
		got.Errors[KindTimeout] != 6 || got.Unsent != 3 {
		t.Errorf("%+v %v %v", got.Counts, got.Status, got.Errors)
	}
	if got.Window() != 4*time.Second || got.QPS() != 1090.0/4 {
		t.Errorf("%v, %v/s", got.Window(), got.QPS())
	}
	if math.Abs(got.ErrorRate()-6.0/1100) > 1e-12 {
		t.Errorf("error rate %v", got.ErrorRate())
	}
	// The median is the second round's, whose requests are most; an average of
	// both would be 30 ms.
	if p50 := got.Corrected.Quantile(0.5); p50 < 49*time.Millisecond || got.Corrected.Count() != 1090 {
		t.Errorf("the median is %v of %d", p50, got.Corrected.Count())
	}
	if math.Abs(got.InFlight-4) > 1e-9 || got.PeakWorkers != 9 || got.WorkerCPUSeconds != 1.5 || *got.TimeWait != 7 {
		t.Errorf("in flight %v, workers %d, CPU %v", got.InFlight, got.PeakWorkers, got.WorkerCPUSeconds)
	}
	if len(got.Series) != 4 || got.Series[3].Offset != 3 || got.Probes[1].Offset != 1200*time.Millisecond {
		t.Errorf("series %+v, probes %+v", got.Series, got.Probes)
	}
	if one.Requests != 100 || one.Corrected.Count() != 90 {
		t.Error("a round was changed")
	}
	for name, rounds := range map[string][]*Result{
		"none":           nil,
		"other models":   {one, {Attack: Attack{Model: Closed}, Began: at.Add(time.Hour)}},
		"at one time":    {one, {Attack: Attack{Model: Open}, Began: at.Add(time.Second / 2)}},
		"in wrong order": {two, one},
	} {
		if _, err := Merge(rounds); err == nil {
			t.Errorf("%s: merged", name)
		}
	}
	if r := (&Result{}); r.QPS() != 0 || r.ErrorRate() != 0 {
		t.Error("an empty result has a rate")
	}
}
