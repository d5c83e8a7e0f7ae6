package load

import (
	"testing"
	"time"
)

func TestMergeWorkers(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	three, four := 3, 4
	worker := func(began time.Time, latency time.Duration, n uint64, peak int, tw *int) *Result {
		return &Result{
			Attack: Attack{Model: Open, Rate: 100, Connections: 10}, Began: began, Ended: began.Add(2 * time.Second),
			Counts: Counts{Requests: n, Successes: n}, Corrected: histogram(latency, int(n)), InFlight: 5, MaxInFlight: peak,
			PeakWorkers: peak, WorkerCap: 50, WorkerCores: 2, WorkerCPUSeconds: 1, FDLimit: 1000, TimeWait: tw,
			Series: []Second{{Offset: 0, Counts: Counts{Requests: n / 2}, P99: latency}, {Offset: 1, Counts: Counts{Requests: n / 2}, Hits: 2}},
		}
	}
	one, two := worker(at, 10*time.Millisecond, 200, 50, &three), worker(at.Add(-20*time.Millisecond), 90*time.Millisecond, 600, 8, &four)
	got, err := MergeWorkers([]*Result{one, two})
	if err != nil {
		t.Fatal(err)
	}
	// Rounds behind each other would give half the rate.
	if got.QPS() != 400 || got.Window() != 2*time.Second || !got.Began.Equal(two.Began) {
		t.Errorf("%v/s in %v from %v", got.QPS(), got.Window(), got.Began)
	}
	if got.InFlight != 10 || got.MaxInFlight != 58 || got.Attack.Rate != 200 || got.Attack.Connections != 20 || got.WorkerCores != 4 ||
		got.WorkerCPUSeconds != 2 {
		t.Errorf("%v in flight, at most %d, offered %v on %d, %v s on %v cores", got.InFlight, got.MaxInFlight, got.Attack.Rate,
			got.Attack.Connections, got.WorkerCPUSeconds, got.WorkerCores)
	}
	if got.PeakWorkers != 50 || got.WorkerCap != 50 || got.FDLimit != 1000 || *got.TimeWait != 7 {
		t.Errorf("one worker is at its cap, the sum says %d of %d; files %d, TIME-WAIT %d", got.PeakWorkers, got.WorkerCap, got.FDLimit,
			*got.TimeWait)
	}
	if p50 := got.Corrected.Quantile(0.5); p50 < 89*time.Millisecond {
		t.Errorf("the median of 800 is %v; 600 took 90 ms", p50)
	}
	if len(got.Series) != 2 || got.Series[0].Requests != 400 || got.Series[1].Hits != 4 || got.Series[0].P99 != 0 {
		t.Errorf("%+v", got.Series)
	}
	if one.Corrected.Count() != 200 || *one.TimeWait != 3 || len(one.Series) != 2 || one.Series[0].Requests != 100 {
		t.Error("a part was changed")
	}
	for why, workers := range map[string][]*Result{
		"none":                nil,
		"other models":        {one, {Attack: Attack{Model: Closed}, Began: at}},
		"one after the other": {one, worker(at.Add(3*time.Second), time.Millisecond, 1, 1, nil)},
	} {
		if _, err := MergeWorkers(workers); err == nil {
			t.Errorf("%s: merged", why)
		}
	}
}
