package gate

import (
	"math"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// find is the estimate of one metric.
func find(t *testing.T, d Decision, name string) stats.Estimate {
	t.Helper()
	for _, e := range d.Metrics {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("no %s in %v", name, d.Metrics)
	return stats.Estimate{}
}

// A change that costs a little everywhere is told from chance in all workloads
// together, while each by itself is too noisy to tell.
func TestTogetherTellsWhatIsSmallEverywhere(t *testing.T) {
	d := Decide(record(14, 1.08, 1, 0.04), 14)
	if e := find(t, d, MetricTogether); e.Verdict != stats.Fail || e.Pairs != 14 {
		t.Errorf("all together: %s", e.Reason)
	}
	for _, w := range []string{"hit ", "proxy "} {
		if e := find(t, d, w+MetricCPU); e.Verdict == stats.Fail {
			t.Errorf("%s: told alone: the noise of this test is too small to show anything", e.Reason)
		}
	}
	if d.Verdict != stats.Fail || !strings.Contains(d.Reason, MetricTogether) {
		t.Errorf("%s: %s", d.Verdict, d.Reason)
	}
}

func TestTogetherNeedsEveryWorkload(t *testing.T) {
	r := record(20, 1, 1, 0.03)
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Workload == "proxy" && s.Arm == Head && s.Round <= 4 {
			s.CPUUS = nil
		}
	}
	if e := find(t, Decide(r, 20), MetricTogether); e.Pairs != 16 {
		t.Errorf("%d pairs: want the 16 rounds that have both workloads", e.Pairs)
	}
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Workload == "proxy" && s.Arm == Head && s.Round <= 8 {
			s.CPUUS = nil
		}
	}
	if e := find(t, Decide(r, 20), MetricTogether); e.Pairs != 0 || e.Verdict != stats.Inconclusive {
		t.Errorf("12 of 20 rounds: %s", e.Reason)
	}
	one := record(20, 1, 1, 0.03)
	one.Workloads = one.Workloads[:1]
	for _, e := range Decide(one, 20).Metrics {
		if e.Name == MetricTogether {
			t.Error("one workload is shown twice")
		}
	}
}

// Head is compared with both replicas of the base.
func TestPairUsesBothReplicas(t *testing.T) {
	r := &Record{Samples: []Sample{
		{Workload: "w", Round: 1, Arm: Base, CPUUS: new(4.0)},
		{Workload: "w", Round: 1, Arm: Again, CPUUS: new(9.0)},
		{Workload: "w", Round: 1, Arm: Head, CPUUS: new(12.0)},
	}}
	if a, b, ok := r.pair("w", Head, 1, cpu); !ok || math.Abs(a-6) > 1e-12 || b != 12 {
		t.Errorf("head: %v, %v, %v: want 6, the geometric mean of 4 and 9, and 12", a, b, ok)
	}
	if a, b, ok := r.pair("w", Again, 1, cpu); !ok || a != 4 || b != 9 {
		t.Errorf("control: %v, %v, %v", a, b, ok)
	}
	r.Samples[1].CPUUS = nil
	if a, _, ok := r.pair("w", Head, 1, cpu); !ok || a != 4 {
		t.Errorf("without the second replica: %v, %v: want the first alone", a, ok)
	}
	if _, _, ok := r.pair("w", Again, 1, cpu); ok {
		t.Error("a control without a figure")
	}
}
