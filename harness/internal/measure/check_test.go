package measure

import (
	"math"
	"strings"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

// sound are the facts of an open attack with nothing wrong, and closed ones.
func sound() Facts {
	return Facts{
		Open: true, Offered: 1000, Achieved: 999, Samples: 20_000,
		LagP99MS: ptr(0.4), LatencyP99MS: ptr(40.0), PeakWorkers: 50, WorkerCap: 10_000, FDLimit: 20_000,
		WorkerCPU: ptr(0.3), CeilingQPS: ptr(20_000.0), Requests: 20_000, ErrorBudget: 0.01, Hashed: 1000,
		OriginExpected: ptr(uint64(5000)), OriginCounted: ptr(uint64(5003)),
		Trends:            []Trend{{"QPS", []float64{100, 101, 99, 100, 100, 101}}},
		ConnectionsOpened: 10, Steal: ptr(0.0), Pressure: ptr(0.1), AASpread: ptr(0.05), StateReset: ptr(true),
	}
}

// two are a worker with nothing wrong and another one.
func two(other Worker) []Worker {
	other.Name = "worker-2"
	return []Worker{{Name: "worker", Uncertain: time.Microsecond}, other}
}

func soundClosed() Facts {
	f := sound()
	f.Open = false
	f.Connections = 400
	f.InFlight = 396
	return f
}

func find(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %q", name)
	return Check{}
}

func TestSoundFactsPass(t *testing.T) {
	for name, f := range map[string]Facts{"open": sound(), "closed": soundClosed()} {
		for _, c := range Run(f) {
			if c.Verdict == Invalid || c.Verdict == Warning {
				t.Errorf("%s: %s", name, c)
			}
			if c.Saw == "" || c.Limit == "" {
				t.Errorf("%s: %s says nothing", name, c.Name)
			}
		}
		if !Valid(Run(f)) {
			t.Errorf("%s is not valid", name)
		}
	}
}

// checkRow is one change of sound facts, and the verdict of one check after it.
type checkRow struct {
	name   string
	check  string
	want   Verdict
	change func(*Facts)
}

// generatorRows are about the generator and the rate.
func generatorRows() []checkRow {
	return []checkRow{
		{name: "a rate just kept", check: "rate kept", want: OK, change: func(f *Facts) { f.Achieved = 990 }},
		{name: "a rate not kept", check: "rate kept", want: Invalid, change: func(f *Facts) { f.Achieved = 989 }},
		{name: "a closed loop has no rate to keep", check: "rate kept", want: Skipped, change: func(f *Facts) { f.Open = false }},
		{name: "lag within a tenth of p99", check: "send lag", want: OK, change: func(f *Facts) { f.LagP99MS = ptr(3.9) }},
		{name: "lag beyond a tenth of p99", check: "send lag", want: Invalid, change: func(f *Facts) { f.LagP99MS = ptr(4.1) }},
		{name: "lag within 1 ms of a fast answer", check: "send lag", want: OK,
			change: func(f *Facts) { f.LagP99MS, f.LatencyP99MS = ptr(0.9), ptr(1.0) }},
		{name: "lag beyond 1 ms of a fast answer", check: "send lag", want: Invalid,
			change: func(f *Facts) { f.LagP99MS, f.LatencyP99MS = ptr(1.1), ptr(1.0) }},
		{name: "lag that was not measured", check: "send lag", want: Skipped, change: func(f *Facts) { f.LagP99MS = nil }},
		{name: "all workers in use", check: "workers", want: Invalid, change: func(f *Facts) { f.PeakWorkers = 10_000 }},
		{name: "nearly all workers in use", check: "workers", want: OK, change: func(f *Facts) { f.PeakWorkers = 9_999 }},
		{name: "all files in use", check: "workers", want: Invalid, change: func(f *Facts) { f.FDLimit, f.PeakWorkers = 1024, 960 }},
		{name: "two workers at one time", check: Together, want: OK, change: func(f *Facts) {
			f.Workers = two(Worker{Uncertain: time.Millisecond})
		}},
		{name: "a worker that began late", check: Together, want: Invalid, change: func(f *Facts) {
			f.Workers = two(Worker{Late: 11 * time.Millisecond})
		}},
		{name: "a clock that is not known", check: Together, want: Invalid, change: func(f *Facts) {
			f.Workers = two(Worker{Uncertain: 6 * time.Millisecond, Drift: -5 * time.Millisecond})
		}},
		{name: "a worker that died", check: Together, want: Invalid, change: func(f *Facts) { f.Workers = two(Worker{Lost: "lost after 1 s"}) }},
		{name: "a busy generator", check: "generator's CPU", want: Invalid, change: func(f *Facts) { f.WorkerCPU = ptr(0.71) }},
		{name: "a generator whose CPU was not measured", check: "generator's CPU", want: Skipped, change: func(f *Facts) { f.WorkerCPU = nil }},
		{name: "a low ceiling", check: "generator's ceiling", want: Invalid, change: func(f *Facts) { f.CeilingQPS = ptr(1900.0) }},
		{name: "no ceiling", check: "generator's ceiling", want: Skipped, change: func(f *Facts) { f.CeilingQPS = nil }},
		{name: "Little's law in an open loop", check: "Little's law", want: Skipped, change: func(*Facts) {}},
		{name: "idle connections", check: "Little's law", want: Invalid, change: func(f *Facts) {
			f.Open = false
			f.Connections = 400
			f.InFlight = 350
		}},
		{name: "more in flight than connections", check: "Little's law", want: Invalid, change: func(f *Facts) {
			f.Open = false
			f.Connections = 400
			f.InFlight = 445
		}},
	}
}

// outcomeRows are about answers, steadiness, connections, host and state.
func outcomeRows() []checkRow {
	return []checkRow{
		{name: "errors within the budget", check: "errors", want: OK, change: func(f *Facts) { f.Failed = 200 }},
		{name: "errors beyond the budget", check: "errors", want: Invalid, change: func(f *Facts) { f.Failed = 201 }},
		{name: "errors while faults are at work", check: "errors", want: Warning, change: func(f *Facts) { f.Failed, f.Broken = 201, true }},
		{name: "refusals by the origin's own limit", check: "errors", want: OK, change: func(f *Facts) { f.Failed, f.Refused = 5201, 5001 }},
		{name: "and failures beside them", check: "errors", want: Invalid, change: func(f *Facts) { f.Failed, f.Refused = 5201, 5000 }},
		{name: "no request", check: "errors", want: Invalid, change: func(f *Facts) { f.Requests = 0 }},
		{name: "one wrong answer", check: "right content", want: Invalid, change: func(f *Facts) { f.Mismatches = 1 }},
		{name: "no answer checked", check: "right content", want: Warning, change: func(f *Facts) { f.Hashed = 0 }},
		{name: "the origin saw fewer", check: "origin's own count", want: Invalid,
			change: func(f *Facts) { f.OriginCounted = ptr(uint64(4900)) }},
		{name: "the origin saw more", check: "origin's own count", want: Invalid, change: func(f *Facts) { f.OriginCounted = ptr(uint64(5100)) }},
		{name: "a handful in flight at the ends", check: "origin's own count", want: OK, change: func(f *Facts) {
			f.OriginExpected, f.OriginCounted = ptr(uint64(10)),
				ptr(uint64(14))
		}},
		{name: "too few for p99", check: "enough samples", want: Warning, change: func(f *Facts) { f.Samples = 999 }},
		{name: "a rate that rises", check: "steady state", want: Warning,
			change: func(f *Facts) { f.Trends = []Trend{{"QPS", []float64{100, 110, 120, 131, 140, 149}}} }},
		{name: "one trend of two", check: "steady state", want: Warning, change: func(f *Facts) {
			f.Trends = append(f.Trends, Trend{"hit ratio", []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}})
		}},
		{name: "too short to tell", check: "steady state", want: Skipped,
			change: func(f *Facts) { f.Trends = []Trend{{"QPS", []float64{1, 2}}} }},
		{name: "connections not reused", check: "connections", want: Invalid, change: func(f *Facts) { f.ConnectionsOpened = 201 }},
		{name: "connections that may break", check: "connections", want: OK, change: func(f *Facts) {
			f.ConnectionsOpened, f.MayReconnect = 201,
				true
		}},
		{name: "no port left", check: "connections", want: Invalid, change: func(f *Facts) { f.PortsExhausted, f.MayReconnect = 1, true }},
		{name: "a stolen host", check: "host", want: Warning, change: func(f *Facts) { f.Steal = ptr(0.03) }},
		{name: "an unknown host", check: "host", want: Skipped, change: func(f *Facts) {
			f.Steal = nil
			f.Pressure = nil
			f.AASpread = nil
		}},
		{name: "a node at its memory limit", check: "memory", want: OK,
			change: func(f *Facts) { f.Memory = []NodeMemory{{Node: "redis", Bytes: 512 << 20, Limit: 512 << 20}} }},
		{name: "a node above its memory limit", check: "memory", want: Invalid, change: func(f *Facts) {
			f.Memory = []NodeMemory{{Node: "redis", Bytes: 9 << 20}, {Node: "gateway-1", Bytes: 4229 << 20, Limit: 512 << 20}}
		}},
		{name: "a node above the host's memory", check: "memory", want: Invalid,
			change: func(f *Facts) { f.Memory, f.HostMemory = []NodeMemory{{Node: "lb", Bytes: 9 << 30}}, 8<<30 }},
		{name: "no node was read", check: "memory", want: Skipped, change: func(f *Facts) { f.Memory = nil }},
		{name: "state left over", check: "state", want: Invalid, change: func(f *Facts) { f.StateReset = ptr(false) }},
		{name: "state unknown", check: "state", want: Skipped, change: func(f *Facts) { f.StateReset = nil }},
	}
}

func TestChecks(t *testing.T) {
	for _, row := range append(generatorRows(), outcomeRows()...) {
		t.Run(row.name, func(t *testing.T) {
			f := sound()
			row.change(&f)
			checks := Run(f)
			if c := find(t, checks, row.check); c.Verdict != row.want {
				t.Errorf("%s is %s, want %s: %s", c.Name, c.Verdict, row.want, c.Saw)
			}
			if Valid(checks) == (row.want == Invalid) {
				t.Errorf("valid is %v with a check %s", Valid(checks), row.want)
			}
		})
	}
}

func TestDurabilityIsSaid(t *testing.T) {
	f := sound()
	f.Shortcuts = []string{"appendonly=no"}
	if c := find(t, Run(f), "durability"); !strings.Contains(c.Saw, "appendonly=no") || c.Verdict != OK {
		t.Errorf("%+v", c)
	}
}

func TestReasons(t *testing.T) {
	f := sound()
	f.Mismatches, f.Samples = 3, 5
	got := Reasons(Run(f), Invalid)
	if len(got) != 1 || !strings.Contains(got[0], "3 mismatches") {
		t.Errorf("%q", got)
	}
	if len(Reasons(Run(f), Warning)) != 1 {
		t.Errorf("%q", Reasons(Run(f), Warning))
	}
}

func TestFlat(t *testing.T) {
	for _, row := range []struct {
		name     string
		values   []float64
		flat, ok bool
	}{
		{name: "a constant", values: []float64{5, 5, 5, 5, 5}, flat: true, ok: true},
		{name: "a clear rise", values: []float64{10, 11, 12, 13, 14, 15}, flat: false, ok: true},
		{name: "a clear fall", values: []float64{15, 14, 13, 12, 11, 10}, flat: false, ok: true},
		{name: "noise that happens to rise", values: []float64{10, 18, 7, 15, 9, 20}, flat: true, ok: true},
		{name: "four values", values: []float64{1, 2, 3, 4}, flat: false, ok: false},
		{name: "nothing but zeros", values: []float64{0, 0, 0, 0, 0}, flat: false, ok: false},
	} {
		if _, flat, ok := (Trend{Values: row.values}).Flat(); flat != row.flat || ok != row.ok {
			t.Errorf("%s: flat %v, ok %v", row.name, flat, ok)
		}
	}
	if change, _, _ := (Trend{Values: []float64{10, 11, 12, 13, 14}}).Flat(); math.Abs(change-4.0/12) > 1e-9 {
		t.Errorf("from 10 to 14 around 12 is a change of %v, want 1/3", change)
	}
}

func TestAvailable(t *testing.T) {
	for _, row := range []struct {
		name        string
		failed, all uint64
		low, high   float64
		method      string
	}{
		{name: "no failure in 15,000", failed: 0, all: 15_000, low: 0.999754, high: 1, method: "Clopper-Pearson"},
		{name: "no failure in 10", failed: 0, all: 10, low: 0.69150, high: 1, method: "Clopper-Pearson"},
		{name: "10 of 100", failed: 10, all: 100, low: 0.82563, high: 0.94477, method: "Wilson"},
		{name: "half of 20", failed: 10, all: 20, low: 0.29930, high: 0.70070, method: "Wilson"},
		{name: "1 of 1000", failed: 1, all: 1000, low: 0.99436, high: 0.99982, method: "Wilson"},
		{name: "all of 10", failed: 10, all: 10, low: 0, high: 0.30850, method: "Clopper-Pearson"},
	} {
		a, ok := Available(row.failed, row.all)
		if !ok || math.Abs(a.Low-row.low) > 2e-5 || math.Abs(a.High-row.high) > 2e-5 || a.Method != row.method {
			t.Errorf("%s: %+v, want %v to %v", row.name, a, row.low, row.high)
		}
		if want := 1 - float64(row.failed)/float64(row.all); math.Abs(a.Share-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", row.name, a.Share, want)
		}
	}
	for _, bad := range [][2]uint64{{0, 0}, {3, 2}} {
		if _, ok := Available(bad[0], bad[1]); ok {
			t.Errorf("%d failed of %d has an availability", bad[0], bad[1])
		}
	}
}

// probes makes one probe each 100 ms: + answered by a, x failed, b answered by b.
func probes(s string) []Probe {
	out := make([]Probe, len(s))
	for i, c := range s {
		out[i] = Probe{At: time.Duration(i) * 100 * time.Millisecond, OK: c != 'x'}
		if c != 'x' {
			out[i].Node = string(c)
		}
	}
	return out
}

func TestOutages(t *testing.T) {
	p := probes("aaxxaxaaaaaxaa")
	got := Outages(p, 200*time.Millisecond)
	want := []Outage{{200 * time.Millisecond, 500 * time.Millisecond, 3}, {1100 * time.Millisecond, 1100 * time.Millisecond, 1}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, want %v", got, want)
	}
	if got[0].Length() != 300*time.Millisecond {
		t.Errorf("the first lasted %v", got[0].Length())
	}
	if len(Outages(p, 100*time.Millisecond)) != 3 {
		t.Error("a smaller gap does not part them")
	}
	if len(Outages(probes("aaaa"), time.Second)) != 0 {
		t.Error("an outage without a failure")
	}
	if Resolution(p) != 100*time.Millisecond {
		t.Errorf("resolution %v", Resolution(p))
	}
	if got := ErrorSeconds(p); got != 400*time.Millisecond {
		t.Errorf("%v of errors, want 400ms", got)
	}
	if got := Monthly(432*time.Second, 6); math.Abs(got-0.999) > 1e-12 {
		t.Errorf("a month with 2,592 s lost is %v available, want 0.999", got)
	}
}

func TestRecovered(t *testing.T) {
	p := probes("aaxxaxabab")
	if at, ok := Recovered(p, 200*time.Millisecond, 3); !ok || at != 600*time.Millisecond {
		t.Errorf("%v, %v", at, ok)
	}
	if _, ok := Recovered(p, 200*time.Millisecond, 9); ok {
		t.Error("nine good ones in a row of ten probes, three of them bad")
	}
	if at, ok := UsedAgain(p, "b", 0, 2); !ok || at != 700*time.Millisecond {
		t.Errorf("b is used again after %v, %v", at, ok)
	}
	if at, ok := UsedAgain(probes("abxabaab"), "b", 0, 2); !ok || at != 400*time.Millisecond {
		t.Errorf("a failure between two answers of b ends the row: %v, %v", at, ok)
	}
	if _, ok := UsedAgain(p, "b", 0, 3); ok {
		t.Error("b answered twice")
	}
}
