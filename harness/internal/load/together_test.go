package load

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/measure"
)

// coarse is a distribution of n equal latencies.
func coarse(d time.Duration, n int) *measure.Coarse {
	c := &measure.Coarse{}
	for range n {
		c.Record(d)
	}
	return c
}

// portionOf is what a worker did in two seconds of an attack: n requests of one latency each.
func portionOf(began time.Time, latency time.Duration, n, peak, timeWait int) Portion {
	half := Counts{Requests: uint64(n / 2), Successes: uint64(n / 2)}
	return Portion{Name: "worker", Result: &Result{
		Attack: Attack{Model: Open, Rate: 200, Connections: 20}, Began: began, Ended: began.Add(2 * time.Second),
		Counts: Counts{Requests: uint64(n), Successes: uint64(n)}, Corrected: histogram(latency, n), InFlight: 5, MaxInFlight: peak,
		PeakWorkers: peak, WorkerCap: 50, WorkerCores: 2, WorkerCPUSeconds: 1, FDLimit: 1000, TimeWait: &timeWait,
		Series: []Second{
			{Offset: 0, Counts: half, P99: latency, Latency: coarse(latency, n/2)},
			{Offset: 1, Counts: half, Hits: 2, P99: latency, Latency: coarse(latency, n/2)},
		},
		Raw: []Raw{{Seq: uint64(peak), Sent: time.Duration(n) * time.Millisecond}},
	}}
}

var whole = Attack{Model: Open, Rate: 200, Connections: 20}

func TestMergeWorkers(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one := portionOf(at, 10*time.Millisecond, 200, 50, 3)
	two := portionOf(at.Add(5*time.Second), 90*time.Millisecond, 600, 8, 4) // by its clock
	two.Clock = Clock{Ahead: 5 * time.Second, Uncertain: time.Millisecond}
	got, err := MergeWorkers(whole, []Portion{one, two})
	if err != nil {
		t.Fatal(err)
	}
	// Rounds behind each other would give half the rate.
	if got.QPS() != 400 || got.Window() != 2*time.Second || !got.Began.Equal(at) {
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
		t.Errorf("the median of 800 is %v; 600 took 90 ms, and the mean of the medians is 50", p50)
	}
	if len(got.Series) != 2 || got.Series[0].Requests != 400 || got.Series[1].Hits != 4 {
		t.Errorf("%+v", got.Series)
	}
	if s := got.Series[0]; s.P50 < 88*time.Millisecond || s.P50 > 92*time.Millisecond || s.Latency != nil {
		t.Errorf("the median of a second is %v, want that of all its requests, about 90 ms", s.P50)
	}
	if got.Raw[0].Seq != 50 || got.Raw[1].Seq != 8 {
		t.Errorf("raw results %+v, want them in order of their responses", got.Raw)
	}
	if w := got.Workers; len(w) != 2 || w[0].Requests != 200 || w[1].Requests != 600 || w[1].Ahead != 5*time.Second || w[1].Cores != 2 {
		t.Errorf("workers %+v", got.Workers)
	}
	if r := one.Result; r.Corrected.Count() != 200 || *r.TimeWait != 3 || len(r.Series) != 2 || r.Series[0].Requests != 100 ||
		r.Series[0].Latency.Count() != 100 || !two.Result.Began.Equal(at.Add(5*time.Second)) {
		t.Error("a part was changed")
	}
}

func TestMergeWorkersRefuses(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	one := portionOf(at, 10*time.Millisecond, 200, 50, 3)
	gone := Portion{Name: "worker-2", Lost: errors.New("lost after 1.0 of 2.0 s: it died")}
	for why, all := range map[string][]Portion{
		"no workers":      nil,
		"it died":         {gone, gone},
		"do not mix":      {one, {Name: "worker-2", Result: &Result{Attack: Attack{Model: Closed}, Began: at}}},
		"side by side":    {one, portionOf(at.Add(3*time.Second), time.Millisecond, 1, 1, 0)},
		"no result of it": {{Name: "worker-2"}},
	} {
		if _, err := MergeWorkers(whole, all); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
	got, err := MergeWorkers(whole, []Portion{one, gone})
	if err != nil || got.Requests != 200 || got.Workers[1].Lost != "lost after 1.0 of 2.0 s: it died" || got.Workers[0].Lost != "" {
		t.Errorf("%+v, error %v, want what the other one did", got, err)
	}
}

// Workers on the same cores share them; on others, or on other machines, they do not.
func TestCoresOfSeveralWorkers(t *testing.T) {
	worker := func(machine, cores string, count int, network string) *Result {
		n := 4
		return &Result{WorkerCores: 2, Place: Place{Machine: machine, Cores: cores, Count: count, Network: network}, TimeWait: &n}
	}
	for _, row := range []struct {
		parts    []*Result
		cores    float64
		timeWait int
	}{
		{[]*Result{worker("a", "0,1", 2, "net:1"), worker("a", "0,1", 2, "net:1")}, 2, 4},
		{[]*Result{worker("a", "0,1", 2, "net:1"), worker("a", "2,3", 2, "net:2")}, 4, 8},
		{[]*Result{worker("a", "0,1", 2, "net:1"), worker("b", "0,1", 2, "net:1")}, 4, 8},
		{[]*Result{worker("a", "0,1,2", 3, "net:1"), worker("a", "0,1,2", 3, "net:1")}, 3, 4},
		{[]*Result{worker("", "", 0, ""), worker("", "", 0, "")}, 4, 8},
	} {
		if got := coresOf(row.parts); got != row.cores {
			t.Errorf("%+v: %v cores, want %v", row.parts[1].Place, got, row.cores)
		}
		if got := timeWaitOf(row.parts); *got != row.timeWait {
			t.Errorf("%+v: %d in TIME-WAIT, want %d", row.parts[1].Place, *got, row.timeWait)
		}
	}
	busy := &Result{Began: time.Unix(0, 0), Ended: time.Unix(10, 0), WorkerCores: 4, WorkerCPUSeconds: 10,
		Workers: []WorkerPart{{CPUSeconds: 1, Cores: 2}, {CPUSeconds: 9, Cores: 2}}}
	if share, ok := busy.CPUShare(); !ok || share != 0.45 {
		t.Errorf("share %v, want that of the busiest worker", share)
	}
}

func TestMergeProgress(t *testing.T) {
	one := Progress{
		ID: "a", State: Running, Elapsed: 3 * time.Second, Total: 9 * time.Second, Counts: Counts{Requests: 30, Successes: 30}, QPS: 10,
		Errors: map[string]uint64{}, P50: time.Millisecond, Latest: coarse(time.Millisecond, 10),
		Series: []Second{{Offset: 1, Counts: Counts{Requests: 10}}, {Offset: 2, Counts: Counts{Requests: 10}}},
	}
	two := one
	two.State, two.Elapsed = Draining, 4*time.Second
	two.Errors, two.QPS = map[string]uint64{KindReset: 1}, 30
	two.Latest = coarse(50*time.Millisecond, 30)
	two.Series = []Second{{Offset: 0, Counts: Counts{Requests: 5}}, {Offset: 2, Counts: Counts{Requests: 7}}}
	got := mergeProgress([]Progress{one, two})
	if got.State != Running || got.Elapsed != 3*time.Second || got.Requests != 60 || got.QPS != 40 || got.Errors[KindReset] != 1 {
		t.Errorf("%+v", got)
	}
	if got.P50 < 49*time.Millisecond || got.P50 > 51*time.Millisecond {
		t.Errorf("the median is %v, want that of all requests", got.P50)
	}
	var requests []uint64
	for _, s := range got.Series {
		requests = append(requests, s.Requests)
	}
	if !slices.Equal(requests, []uint64{5, 10, 17}) || got.Series[0].Offset != 0 {
		t.Errorf("series %+v", got.Series)
	}
	one.State, two.State = Done, Aborted
	if got := mergeProgress([]Progress{one, two}); got.State != Done || !got.Ended() {
		t.Errorf("%s, want %s, where one worker was lost", got.State, Done)
	}
	if two.Errors[KindReset] != 1 || len(one.Errors) != 0 || one.Series[1].Requests != 10 {
		t.Error("a part was changed")
	}
}

func TestParts(t *testing.T) {
	for _, row := range []struct{ connections, of int }{{7, 2}, {4, 4}, {9, 4}, {0, 3}} {
		next, sent := 0, map[uint64]bool{}
		for i := range row.of {
			own, before := Attack{Connections: row.connections, MaxWorkers: 10, Part: &Part{Worker: i, Of: row.of}}.Own()
			if before != next || own.Connections < row.connections/row.of {
				t.Errorf("%d connections, worker %d of %d: %d from number %d", row.connections, i, row.of, own.Connections, before)
			}
			next += own.Connections
			for n := range uint64(5) {
				sent[own.Part.Seq(n)] = true
			}
		}
		if next != row.connections || len(sent) != 5*row.of || !sent[uint64(5*row.of-1)] {
			t.Errorf("%d connections on %d workers: %d together, requests %v", row.connections, row.of, next, sent)
		}
	}
	base := Attack{Model: Closed, Target: "http://127.0.0.1:1", Connections: 2, Duration: time.Second,
		Requests: []Request{{Name: "a", Path: "/"}}}
	for want, part := range map[string]Part{
		"part.of: 0 is not allowed: want 1 to 64":                            {Of: 0},
		"part.worker: 2 is not allowed: want 0 to 1, as there are 2 workers": {Worker: 2, Of: 2},
		"connections: 2 is not allowed: want 3 or more, one for each worker": {Of: 3},
	} {
		a := base
		a.Part = &part
		if err := a.Validate(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
