package experiment

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// held is a reading of gateway-1 with so many goroutines and MiB, in a process
// that started at a time.
func held(routines, mib, started float64) readings.Reading {
	gauge := func(v float64) *dto.MetricFamily {
		return &dto.MetricFamily{Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &v}}}}
	}
	return readings.Reading{
		Usage:    map[string]lab.Usage{"gateway-1": {MemoryBytes: uint64(mib * (1 << 20))}},
		Gateways: map[string]readings.Metrics{"gateway-1": {"go_goroutines": gauge(routines), "process_start_time_seconds": gauge(started)}},
	}
}

func TestDriftIsTheEndAgainstTheBeginning(t *testing.T) {
	var all []readings.Reading
	for i := range 20 {
		started := 1000.0
		if i >= 12 {
			started = 1300
		}
		all = append(all, held(100+float64(10*i), 50, started))
	}
	all[1] = held(9000, 900, 1000) // one odd reading is not the beginning
	got := drift(all)
	if len(got) != 1 || got[0].Node != "gateway-1" || got[0].Restarts != 1 {
		t.Fatalf("%+v", got)
	}
	d := got[0]
	if *d.GoroutinesFirst != 130 || *d.GoroutinesLast != 270 || *d.MemoryFirstMiB != 50 || *d.MemoryLastMiB != 50 {
		t.Errorf("goroutines %v to %v, memory %v to %v", *d.GoroutinesFirst, *d.GoroutinesLast, *d.MemoryFirstMiB, *d.MemoryLastMiB)
	}
	if short := drift(all[:2*edge-1]); short[0].GoroutinesFirst != nil || short[0].MemoryLastMiB != nil {
		t.Errorf("%d readings are too few: %+v", 2*edge-1, short[0])
	}
}

func TestGrowthIsExpectedToStayWithinBounds(t *testing.T) {
	judged := func(most float64, d ...result.Drift) (met bool, said string) {
		x, met := &experiment{stage: &scenario.Stage{Expect: scenario.Expect{GrowthMax: most}}}, true
		x.judgeGrowth(&result.Experiment{Drift: d}, func(what, want, saw string, ok bool) {
			met = met && ok
			said += what + ": " + saw + ", want " + want + "\n"
		})
		return met, said
	}
	gateway := func(node string, routines, mib float64) result.Drift {
		return result.Drift{
			Node: node, GoroutinesFirst: new(100.0), GoroutinesLast: &routines, MemoryFirstMiB: new(50.0), MemoryLastMiB: &mib,
		}
	}
	leaks, sound := gateway("gateway-2", 301, 55), gateway("gateway-1", 90, 60)
	other := result.Drift{Node: "postgres", MemoryFirstMiB: new(1.0), MemoryLastMiB: new(99.0)}
	if met, said := judged(2, sound, other); !met || !strings.Contains(said, "1.20 times (gateway-1), want at most 2 times") {
		t.Error(met, said)
	}
	if met, said := judged(2, sound, leaks); met ||
		!strings.Contains(said, "goroutines, end compared with beginning: 3.01 times (gateway-2)") {
		t.Error(met, said)
	}
	if met, said := judged(2, result.Drift{Node: "gateway-1"}); met || !strings.Contains(said, "too short to tell") {
		t.Error(met, said)
	}
	if met, said := judged(0, leaks); !met || said != "" {
		t.Error("nothing was asked:", met, said)
	}
}
