package measure

import "testing"

func TestLagOfAnExperiment(t *testing.T) {
	for _, c := range []struct {
		lag  float64
		only bool
		want Verdict
	}{{20, false, Invalid}, {20, true, Warning}, {0.9, true, OK}, {600, true, Invalid}} {
		f := Facts{Open: true, LagP99MS: &c.lag, LatencyP99MS: new(float64), OnlyAvailability: c.only}
		for _, got := range Run(f) {
			if got.Name == "send lag" && got.Verdict != c.want {
				t.Errorf("lag %v ms, only availability %v: %s, want %s", c.lag, c.only, got.Verdict, c.want)
			}
		}
	}
}
