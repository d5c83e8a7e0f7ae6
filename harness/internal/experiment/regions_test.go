package experiment

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// twoRegions is an experiment with two regions whose loads were admitted as told, second by second.
func twoRegions(a, b func(second int) int, events ...fault.Event) *experiment {
	st := &scenario.Stage{Load: scenario.Attacks{Open: scenario.Open{Duration: 5 * time.Second}}}
	st.Topology = scenario.Topology{Replicas: 3, Balancers: 2, Regions: []scenario.Region{{Name: "a", Replicas: 2}, {Name: "b", Replicas: 1}}}
	st.Expect.Limit = scenario.LimitExpect{Permits: 20, Window: time.Second}
	x := newExperiment(nil, st)
	x.events = events
	x.regions[0].load, x.regions[1].load = loadOfSeconds(100, a), loadOfSeconds(100, b)
	return x
}

func always(n int) func(int) int { return func(int) int { return n } }

func TestRegionsAdmitTogether(t *testing.T) {
	lost := fault.Event{Kind: fault.KindKill, Target: "region-a", InjectedAt: time.UnixMilli(1002_100), RecoveredAt: time.UnixMilli(1002_500)}
	x := twoRegions(func(second int) int { return map[int]int{1: 20, 2: 2, 3: 20, 4: 18}[second] }, always(20), lost)
	got := x.together()
	// Windows without a fault: the first, and that of second 4. In both regions 20 + 20 and 18 + 20.
	if got == nil || got.Windows != 2 || got.Share != 78.0/40 || got.Fullest != 40 {
		t.Fatalf("%+v", got)
	}
	if got.Faulty != (result.WindowsHeld{Windows: 2, Allowed: 40, Admitted: 62, Share: 62.0 / 40}) {
		t.Errorf("with a fault %+v", got.Faulty)
	}
	x.regions[1].load = nil
	if got := x.together(); got != nil {
		t.Errorf("without the load of one region %+v", got)
	}
}

// expected are the expectations about regions, by whether they were met.
func expected(x *experiment, out *result.Experiment) map[bool]int {
	n := map[bool]int{}
	x.judgeRegions(out, func(_, _, _ string, met bool) { n[met]++ })
	return n
}

func TestARegionWithoutAFaultMustServeEveryone(t *testing.T) {
	x := twoRegions(always(20), always(20))
	x.stage.Faults = []scenario.Fault{{Kind: fault.KindKill, Target: "region-a", At: time.Second, RecoverAfter: time.Second}}
	out := &result.Experiment{Regions: []result.Region{{Failed: 70}, {}}, Together: x.together()}
	if n := expected(x, out); n[true] != 2 || n[false] != 0 {
		t.Errorf("b served everyone: %v", n)
	}
	out.Entries = []result.Entry{{Name: "lb-2", Availability: result.Availability{Failed: 1}}}
	if n := expected(x, out); n[false] != 1 {
		t.Errorf("a probe failed at b: %v", n)
	}
	out.Entries, out.Together.Fullest = nil, 41
	if n := expected(x, out); n[false] != 1 {
		t.Errorf("more than two limits were admitted: %v", n)
	}
	// The link is of no region: both must serve.
	x.stage.Faults[0] = scenario.Fault{Kind: fault.KindBlackHole, Target: "postgres", At: time.Second, RecoverAfter: time.Second}
	out.Together.Fullest = 40
	if n := expected(x, out); n[true] != 2 || n[false] != 1 {
		t.Errorf("a failed 70 requests while the link was cut: %v", n)
	}
}

func TestHowLongChangesTake(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	x := twoRegions(always(20), always(20), fault.Event{InjectedAt: at(10), RecoverAt: at(20), RecoveredAt: at(22)})
	b := x.regions[1]
	for _, s := range []seen{{at(1), 100 * time.Millisecond}, {at(2), 300 * time.Millisecond}, {at(3), 200 * time.Millisecond},
		{at(11), 12 * time.Second}, {at(21), 4 * time.Second}, {at(23), time.Second}} {
		b.add(s)
	}
	before, after := x.followed(b)
	if before.Changes != 3 || *before.P50MS != 200 || *before.MaxMS != 300 ||
		after.Changes != 3 || *after.P50MS != 4000 || *after.MaxMS != 12_000 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if got := x.caughtUp(b); got == nil || *got != 4000 { // the change of second 23 was served in second 24
		t.Errorf("caught up after %v", got)
	}
	if got := x.caughtUp(x.regions[0]); got != nil {
		t.Errorf("nothing was seen of a, and it caught up after %v", *got)
	}
}

func TestWritesByRegion(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(1000+s, 0) }
	x := twoRegions(always(20), always(20), fault.Event{InjectedAt: at(10), RecoverAt: at(20), RecoveredAt: at(22)})
	x.writes = &writer{sent: []*write{
		{node: "gateway-1", at: at(1), acked: true}, {node: "gateway-2", at: at(12)}, {node: "gateway-3", at: at(13), acked: true},
		{node: "gateway-3", at: at(23), acked: true},
	}}
	for i, want := range [][2]result.WriteCount{
		{{Sent: 2, Acknowledged: 1}, {Sent: 1}}, {{Sent: 2, Acknowledged: 2}, {Sent: 1, Acknowledged: 1}},
	} {
		if all, faulty := x.writesOf(x.regions[i].gateways); all != want[0] || faulty != want[1] {
			t.Errorf("region %s: %+v, in the fault %+v, want %+v", x.regions[i].name, all, faulty, want)
		}
	}
}

func TestProbesOfRequestsThatTheLoadHasNot(t *testing.T) {
	got := probed([]load.Request{{Name: "a"}, {Name: "b"}})
	if got[0].Weight != 1 || got[1].Weight != 1 {
		t.Errorf("%+v", got)
	}
	if got := probed([]load.Request{{Name: "a"}, {Name: "b", Weight: 3}}); got[0].Weight != 0 || got[1].Weight != 3 {
		t.Errorf("%+v", got)
	}
}
