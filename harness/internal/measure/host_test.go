package measure

import (
	"strings"
	"testing"
)

func TestAClosedLoopsPressureIsItsOwn(t *testing.T) {
	for _, row := range []struct {
		f    Facts
		want Verdict
	}{
		{Facts{Open: true, Pressure: ptr(0.9)}, Warning},
		{Facts{Open: false, Pressure: ptr(0.9)}, OK},
		{Facts{Open: false, Pressure: ptr(0.1), Steal: ptr(0.1)}, Warning},
	} {
		c := row.f.host()
		if c.Verdict != row.want || !strings.Contains(c.Saw, "pressure") {
			t.Errorf("open %v: %s (%s), want %s", row.f.Open, c.Verdict, c.Saw, row.want)
		}
	}
	again := Facts{Open: true, Extended: true, Trends: []Trend{{Name: "QPS", Values: []float64{1, 1, 1, 1, 1, 1}}}}.steady()
	if again.Verdict != OK || !strings.Contains(again.Saw, "after one extension") {
		t.Errorf("an extension is not told: %+v", again)
	}
}
