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

func soundClosed() Facts {
	f := sound()
	f.Open, f.Connections, f.InFlight = false, 400, 396
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
				t.Errorf("%s: %s", name, c.Reason())
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

func TestChecks(t *testing.T) {
	for _, row := range []struct {
		what   string
		check  string
		want   Verdict
		change func(*Facts)
	}{
		{"a rate just kept", "rate kept", OK, func(f *Facts) { f.Achieved = 990 }},
		{"a rate not kept", "rate kept", Invalid, func(f *Facts) { f.Achieved = 989 }},
		{"a closed loop has no rate to keep", "rate kept", Skipped, func(f *Facts) { f.Open = false }},
		{"lag within a tenth of p99", "send lag", OK, func(f *Facts) { f.LagP99MS = ptr(3.9) }},
		{"lag beyond a tenth of p99", "send lag", Invalid, func(f *Facts) { f.LagP99MS = ptr(4.1) }},
		{"lag within 1 ms of a fast answer", "send lag", OK, func(f *Facts) { f.LagP99MS, f.LatencyP99MS = ptr(0.9), ptr(1.0) }},
		{"lag beyond 1 ms of a fast answer", "send lag", Invalid, func(f *Facts) { f.LagP99MS, f.LatencyP99MS = ptr(1.1), ptr(1.0) }},
		{"lag that nobody measured", "send lag", Skipped, func(f *Facts) { f.LagP99MS = nil }},
		{"all workers in use", "workers", Invalid, func(f *Facts) { f.PeakWorkers = 10_000 }},
		{"nearly all workers in use", "workers", OK, func(f *Facts) { f.PeakWorkers = 9_999 }},
		{"all files in use", "workers", Invalid, func(f *Facts) { f.FDLimit, f.PeakWorkers = 1024, 960 }},
		{"a busy generator", "generator's CPU", Invalid, func(f *Facts) { f.WorkerCPU = ptr(0.71) }},
		{"a generator nobody watched", "generator's CPU", Skipped, func(f *Facts) { f.WorkerCPU = nil }},
		{"a low ceiling", "generator's ceiling", Invalid, func(f *Facts) { f.CeilingQPS = ptr(1900.0) }},
		{"no ceiling", "generator's ceiling", Skipped, func(f *Facts) { f.CeilingQPS = nil }},
		{"Little's law in an open loop", "Little's law", Skipped, func(*Facts) {}},
		{"idle connections", "Little's law", Invalid, func(f *Facts) { f.Open, f.Connections, f.InFlight = false, 400, 350 }},
		{"more in flight than connections", "Little's law", Invalid, func(f *Facts) { f.Open, f.Connections, f.InFlight = false, 400, 445 }},
		{"errors within the budget", "errors", OK, func(f *Facts) { f.Failed = 200 }},
		{"errors beyond the budget", "errors", Invalid, func(f *Facts) { f.Failed = 201 }},
		{"errors while faults are at work", "errors", Warning, func(f *Facts) { f.Failed, f.Broken = 201, true }},
		{"refusals by the origin's own limit", "errors", OK, func(f *Facts) { f.Failed, f.Refused = 5201, 5001 }},
		{"and failures beside them", "errors", Invalid, func(f *Facts) { f.Failed, f.Refused = 5201, 5000 }},
		{"no request", "errors", Invalid, func(f *Facts) { f.Requests = 0 }},
		{"one wrong answer", "right content", Invalid, func(f *Facts) { f.Mismatches = 1 }},
		{"no answer checked", "right content", Warning, func(f *Facts) { f.Hashed = 0 }},
		{"the origin saw fewer", "origin's own count", Invalid, func(f *Facts) { f.OriginCounted = ptr(uint64(4900)) }},
		{"the origin saw more", "origin's own count", Invalid, func(f *Facts) { f.OriginCounted = ptr(uint64(5100)) }},
		{"a handful in flight at the ends", "origin's own count", OK, func(f *Facts) { f.OriginExpected, f.OriginCounted = ptr(uint64(10)), ptr(uint64(14)) }},
		{"too few for p99", "enough samples", Warning, func(f *Facts) { f.Samples = 999 }},
		{"a rate that rises", "steady state", Warning, func(f *Facts) { f.Trends = []Trend{{"QPS", []float64{100, 110, 120, 131, 140, 149}}} }},
		{"one trend of two", "steady state", Warning, func(f *Facts) {
			f.Trends = append(f.Trends, Trend{"hit ratio", []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}})
		}},
		{"too short to tell", "steady state", Skipped, func(f *Facts) { f.Trends = []Trend{{"QPS", []float64{1, 2}}} }},
		{"connections not reused", "connections", Invalid, func(f *Facts) { f.ConnectionsOpened = 201 }},
		{"connections that may break", "connections", OK, func(f *Facts) { f.ConnectionsOpened, f.MayReconnect = 201, true }},
		{"no port left", "connections", Invalid, func(f *Facts) { f.PortsExhausted, f.MayReconnect = 1, true }},
		{"a stolen host", "host", Warning, func(f *Facts) { f.Steal = ptr(0.03) }},
		{"an unknown host", "host", Skipped, func(f *Facts) { f.Steal, f.Pressure, f.AASpread = nil, nil, nil }},
		{"state left over", "state", Invalid, func(f *Facts) { f.StateReset = ptr(false) }},
		{"state unknown", "state", Skipped, func(f *Facts) { f.StateReset = nil }},
	} {
		t.Run(row.what, func(t *testing.T) {
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
		what     string
		values   []float64
		flat, ok bool
	}{
		{"a constant", []float64{5, 5, 5, 5, 5}, true, true},
		{"a clear rise", []float64{10, 11, 12, 13, 14, 15}, false, true},
		{"a clear fall", []float64{15, 14, 13, 12, 11, 10}, false, true},
		{"noise that happens to rise", []float64{10, 18, 7, 15, 9, 20}, true, true},
		{"four values", []float64{1, 2, 3, 4}, false, false},
		{"nothing but zeros", []float64{0, 0, 0, 0, 0}, false, false},
	} {
		if _, flat, ok := (Trend{Values: row.values}).Flat(); flat != row.flat || ok != row.ok {
			t.Errorf("%s: flat %v, ok %v", row.what, flat, ok)
		}
	}
	if change, _, _ := (Trend{Values: []float64{10, 11, 12, 13, 14}}).Flat(); math.Abs(change-4.0/12) > 1e-9 {
		t.Errorf("from 10 to 14 around 12 is a change of %v, want 1/3", change)
	}
}

func TestAvailable(t *testing.T) {
	for _, row := range []struct {
		what        string
		failed, all uint64
		low, high   float64
		method      string
	}{
		{"no failure in 15,000", 0, 15_000, 0.999754, 1, "Clopper-Pearson"},
		{"no failure in 10", 0, 10, 0.69150, 1, "Clopper-Pearson"},
		{"10 of 100", 10, 100, 0.82563, 0.94477, "Wilson"},
		{"half of 20", 10, 20, 0.29930, 0.70070, "Wilson"},
		{"1 of 1000", 1, 1000, 0.99436, 0.99982, "Wilson"},
		{"all of 10", 10, 10, 0, 0.30850, "Clopper-Pearson"},
	} {
		a, ok := Available(row.failed, row.all)
		if !ok || math.Abs(a.Low-row.low) > 2e-5 || math.Abs(a.High-row.high) > 2e-5 || a.Method != row.method {
			t.Errorf("%s: %+v, want %v to %v", row.what, a, row.low, row.high)
		}
		if want := 1 - float64(row.failed)/float64(row.all); math.Abs(a.Share-want) > 1e-12 {
			t.Errorf("%s: %v, want %v", row.what, a.Share, want)
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
