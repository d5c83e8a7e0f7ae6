package report

import (
	"strings"
	"testing"
)

// No time is told more exactly than the probes can tell it.
func TestTimesOfAFaultAreAsExactAsItsProbes(t *testing.T) {
	seen := func(detect, again *float64) string {
		r := &Result{Faults: []Fault{{Name: "kill", Target: "gateway-2", Probes: p(uint64(100)), TimeToDetectMS: detect, TimeToRecoverMS: again, ResolutionMS: p(20.0)}}}
		return strings.Join(r.breaks().Rows[0], "|") + "|"
	}
	for _, c := range []struct {
		detect, again *float64
		want          string
	}{
		{p(3.0), p(1450.0), "|within 20 ms|1.4 s|"},
		{p(640.0), p(7.0), "|640 ms|within 20 ms|"},
		{nil, p(40.0), "|none hurt|40 ms|"},
	} {
		if got := seen(c.detect, c.again); !strings.Contains(got, c.want) {
			t.Errorf("%q has no %q", got, c.want)
		}
	}
}
