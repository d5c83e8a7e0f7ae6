package runner

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/report"
	"gatelab/harness/internal/scenario"
)

// held is a reading of gateway-1 with so many goroutines and MiB, in a process
// that started at a time.
func held(routines, mib, started float64) reading {
	gauge := func(v float64) *dto.MetricFamily {
		return &dto.MetricFamily{Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &v}}}}
	}
	return reading{
		usage:    map[string]lab.Usage{"gateway-1": {MemoryBytes: uint64(mib * (1 << 20))}},
		gateways: map[string]metrics{"gateway-1": {"go_goroutines": gauge(routines), "process_start_time_seconds": gauge(started)}},
	}
}

func TestDriftIsTheEndAgainstTheBeginning(t *testing.T) {
	var readings []reading
	for i := range 20 {
		started := 1000.0
		if i >= 12 {
			started = 1300
		}
		readings = append(readings, held(100+float64(10*i), 50, started))
	}
	readings[1] = held(9000, 900, 1000) // one odd reading is not the beginning
	got := drift(readings)
	if len(got) != 1 || got[0].Node != "gateway-1" || got[0].Restarts != 1 {
		t.Fatalf("%+v", got)
	}
	d := got[0]
	if *d.GoroutinesFirst != 130 || *d.GoroutinesLast != 270 || *d.MemoryFirstMiB != 50 || *d.MemoryLastMiB != 50 {
		t.Errorf("goroutines %v to %v, memory %v to %v", *d.GoroutinesFirst, *d.GoroutinesLast, *d.MemoryFirstMiB, *d.MemoryLastMiB)
	}
	if short := drift(readings[:2*edge-1]); short[0].GoroutinesFirst != nil || short[0].MemoryLastMiB != nil {
		t.Errorf("%d readings are too few: %+v", 2*edge-1, short[0])
	}
}

func TestGrowthIsExpectedToStayWithinBounds(t *testing.T) {
	judged := func(most float64, d ...report.Drift) (met bool, said string) {
		x, met := &experiment{stage: &scenario.Stage{Expect: scenario.Expect{GrowthMax: most}}}, true
		x.judgeGrowth(&report.Experiment{Drift: d}, func(what, want, saw string, ok bool) {
			met = met && ok
			said += what + ": " + saw + ", want " + want + "\n"
		})
		return met, said
	}
	leaks := report.Drift{Node: "gateway-2", GoroutinesFirst: ptr(100.0), GoroutinesLast: ptr(301.0), MemoryFirstMiB: ptr(50.0), MemoryLastMiB: ptr(55.0)}
	sound := report.Drift{Node: "gateway-1", GoroutinesFirst: ptr(100.0), GoroutinesLast: ptr(90.0), MemoryFirstMiB: ptr(50.0), MemoryLastMiB: ptr(60.0)}
	other := report.Drift{Node: "postgres", MemoryFirstMiB: ptr(1.0), MemoryLastMiB: ptr(99.0)}
	if met, said := judged(2, sound, other); !met || !strings.Contains(said, "1.20 times (gateway-1), want at most 2 times") {
		t.Error(met, said)
	}
	if met, said := judged(2, sound, leaks); met || !strings.Contains(said, "goroutines, end against beginning: 3.01 times (gateway-2)") {
		t.Error(met, said)
	}
	if met, said := judged(2, report.Drift{Node: "gateway-1"}); met || !strings.Contains(said, "too short to tell") {
		t.Error(met, said)
	}
	if met, said := judged(0, leaks); !met || said != "" {
		t.Error("nothing was asked:", met, said)
	}
}

func TestWhatIsCarriedFollowsFromTheCoresUse(t *testing.T) {
	at := func(all, busy uint64) reading { return reading{cpu: cpuTimes{known: true, all: all, busy: busy}} }
	for _, c := range []struct {
		name     string
		readings []reading
		want     float64
	}{
		{"half busy at 1000 is full at 2000", []reading{at(0, 0), at(50, 10), at(100, 50)}, 2000},
		{"never more than the closed loop's", []reading{at(0, 0), at(100, 10)}, 4000},
		{"idle is not told", []reading{at(0, 0), at(100, 0)}, 4000},
		{"nothing was read", []reading{{}, {}}, 4000},
		{"no reading", nil, 4000},
	} {
		if got := carried(4000, 1000, c.readings); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
