package stats

import "testing"

func TestARiseIsJudgedByBothArmsUncertainty(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Failures
		want Verdict
	}{
		// By Fisher's test 25 are more than 10 (p = 0.8%), but not by more than the
		// margin allows.
		{name: "more for certain, beyond the margin perhaps", f: Failures{10, 10_000, 25, 10_000, 0.001}, want: Inconclusive},
		{name: "the first arm may have been lucky", f: Failures{0, 1_000, 5, 1_000, 0.001}, want: Inconclusive},
		{name: "beyond the margin for certain", f: Failures{10, 10_000, 60, 10_000, 0.001}, want: Fail},
		{name: "within the margin for certain", f: Failures{10, 100_000, 25, 100_000, 0.001}, want: Pass},
		{name: "the first arm's uncertainty is in the upper end as well", f: Failures{150, 10_000, 150, 10_000, 0.0025}, want: Inconclusive},
		{name: "fewer failures are a pass", f: Failures{60, 10_000, 10, 10_000, 0.001}, want: Pass},
	} {
		e, pass := tt.f.estimate(alpha)
		e.conclude(alpha, pass)
		if e.Verdict != tt.want {
			t.Errorf("%s: %s, p %.3g, want %s", tt.name, e.Reason, e.P, tt.want)
		}
		if e.Verdict == Fail && e.Low <= tt.f.Margin {
			t.Errorf("%s: fails with a lower bound of %v within the margin", tt.name, e.Low)
		}
	}
}

// TestTheIntervalOfARise compares the bounds with Newcombe's own example, 56 of
// 70 and 48 of 80: his 95% interval by Wilson's bounds is 0.0524 to 0.3339; the
// exact bounds here make it a little wider.
func TestTheIntervalOfARise(t *testing.T) {
	f := Failures{FailedA: 48, AllA: 80, FailedB: 56, AllB: 70}
	if low := f.lowest(0.975); low > 0.0524 || !near(low, 0.0524, 0.015) {
		t.Errorf("at least %v, want a little below 0.0524", low)
	}
	if high := f.highest(0.975); high < 0.3339 || !near(high, 0.3339, 0.015) {
		t.Errorf("at most %v, want a little above 0.3339", high)
	}
}
