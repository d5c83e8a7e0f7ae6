package assess

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// soaked is an attack of ten minutes with a reading every two seconds: memory in MiB by reading, and the p99 by second.
func soaked(n int, memory func(i int) float64, p99 func(i int) time.Duration) *Recording {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := &Recording{Round: 1, Result: &load.Result{
		Attack: load.Attack{Model: load.Open, Rate: 100}, Began: began, Ended: began.Add(time.Duration(2*n) * time.Second),
	}}
	for i := range n {
		a.Readings = append(a.Readings, readings.Reading{
			At:    began.Add(time.Duration(2*i) * time.Second),
			Usage: map[string]lab.Usage{"gateway-1": {MemoryBytes: uint64(memory(i) * (1 << 20))}, "postgres": {MemoryBytes: uint64(i+1) << 30}},
		})
	}
	for i := range 2 * n {
		a.Result.Series = append(a.Result.Series, load.Second{
			Offset: i, Counts: load.Counts{Requests: 100, Successes: 100}, P50: time.Millisecond, P99: p99(i),
		})
	}
	return a
}

func verdicts(t *testing.T, a *Recording) map[string]result.Soak {
	t.Helper()
	s := &scenario.Stage{Soak: scenario.Soak{On: true, Memory: 0.1, Goroutines: 0.1, Latency: 0.2}}
	out := map[string]result.Soak{}
	for _, one := range soakOf(s, []*Recording{a}) {
		out[one.Metric+" "+one.Node] = one
	}
	return out
}

func TestSoak(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(by float64) float64 { return by * random.NormFloat64() }
	flat := func(int) time.Duration { return time.Duration((20 + noise(2)) * float64(time.Millisecond)) }
	for _, row := range []struct {
		name   string
		n      int
		memory func(int) float64
		p99    func(int) time.Duration
		want   map[string]string
	}{
		{"nothing grows", 300, func(int) float64 { return 100 + noise(5) }, flat,
			map[string]string{"memory gateway-1": result.SoakNone, "p99 ": result.SoakNone, "p50 ": result.SoakNone}},
		{"a leak of 60 MiB", 300, func(i int) float64 { return 100 + 0.2*float64(i) + noise(5) }, flat,
			map[string]string{"memory gateway-1": result.SoakDrift, "p99 ": result.SoakNone}},
		{"latency doubles", 300, func(int) float64 { return 100 + noise(5) }, func(i int) time.Duration {
			return time.Duration((20 + 20*float64(i)/600 + noise(2)) * float64(time.Millisecond))
		}, map[string]string{"memory gateway-1": result.SoakNone, "p99 ": result.SoakDrift}},
		{"growth that is allowed", 300, func(i int) float64 { return 100 + 0.02*float64(i) + noise(1) }, flat,
			map[string]string{"memory gateway-1": result.SoakNone}},
		{"growth at the limit", 300, func(i int) float64 { return 100 + 10.0/300*float64(i) + noise(5) }, flat,
			map[string]string{"memory gateway-1": result.SoakInconclusive}},
		{"too short", 20, func(int) float64 { return 100 }, flat,
			map[string]string{"memory gateway-1": result.SoakInconclusive, "p99 ": result.SoakNone}},
		{"memory falls", 300, func(i int) float64 { return 200 - 0.3*float64(i) }, flat,
			map[string]string{"memory gateway-1": result.SoakNone}},
	} {
		got := verdicts(t, soaked(row.n, row.memory, row.p99))
		for what, want := range row.want {
			one := got[what]
			if one.Verdict != want || (want == result.SoakInconclusive) != (one.Why != "") {
				t.Errorf("%s: %s is %q (%s), want %q: %+v", row.name, what, one.Verdict, one.Why, want, one)
			}
		}
		if _, ok := got["memory postgres"]; ok {
			t.Errorf("%s: a database that fills is no leak of a gateway", row.name)
		}
	}
	leak := verdicts(t, soaked(300, func(i int) float64 { return 100 + 0.2*float64(i) }, flat))["memory gateway-1"]
	if *leak.Change < 59 || *leak.Change > 61 || *leak.PerHour < 350 || *leak.PerHour > 370 || *leak.Allowed < 9.9 || *leak.Allowed > 10.1 {
		t.Errorf("a leak of 60 MiB in ten minutes: %v, %v in an hour, allowed %v", *leak.Change, *leak.PerHour, *leak.Allowed)
	}
	if s := soakOf(&scenario.Stage{}, []*Recording{soaked(300, func(int) float64 { return 1 }, flat)}); s != nil {
		t.Errorf("%+v of a stage that is no soak", s)
	}
}
