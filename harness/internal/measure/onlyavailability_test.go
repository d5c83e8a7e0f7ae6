package measure

import "testing"

func TestLagOfAnExperiment(t *testing.T) {
	for _, c := range []struct {
		lag  float64
		only bool
		want Verdict
	}{{lag: 20, only: false, want: Invalid}, {lag: 20, only: true, want: Warning}, {lag: 0.9, only: true, want: OK}, {lag: 600, only: true,
		want: Invalid}} {
		f := Facts{Open: true, LagP99MS: &c.lag, LatencyP99MS: new(float64), OnlyAvailability: c.only}
		for _, got := range Run(f) {
			if got.Name == "send lag" && got.Verdict != c.want {
				t.Errorf("lag %v ms, only availability %v: %s, want %s", c.lag, c.only, got.Verdict, c.want)
			}
		}
	}
}
