package report

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// No time is told more exactly than the probes can tell it.
func TestTimesOfAFaultAreAsExactAsItsProbes(t *testing.T) {
	seen := func(detect, again *float64) string {
		r := &result.Result{
			Faults: []result.Fault{
				{Name: "kill", Target: "gateway-2", Probes: p(uint64(100)), ImpactMS: detect, TimeToRecoverMS: again, ResolutionMS: p(20.0)},
			},
		}
		return strings.Join(faultGrid(r).Rows[0], "|") + "|"
	}
	for _, c := range []struct {
		detect, again *float64
		want          string
	}{
		{detect: p(3.0), again: p(1450.0), want: "|within 20 ms|1.4 s|"},
		{detect: p(640.0), again: p(7.0), want: "|640 ms|within 20 ms|"},
		{detect: nil, again: p(40.0), want: "|none|40 ms|"},
	} {
		if got := seen(c.detect, c.again); !strings.Contains(got, c.want) {
			t.Errorf("%q has no %q", got, c.want)
		}
	}
}
