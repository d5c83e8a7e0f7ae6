package stats

import (
	"math"
	"testing"
)

func near(got, want, off float64) bool { return math.Abs(got-want) <= off }

func TestMoreFailures(t *testing.T) {
	for _, tt := range []struct {
		why                          string
		failedA, allA, failedB, allB uint64
		want                         float64
	}{
		// By hand: (4 over 4)(4 over 4)/(8 over 4) = 1/70, 17/70, 53/70.
		{"none of four against all of four", 0, 4, 4, 4, 1.0 / 70},
		{"one of four against three of four, the tea taster's table", 1, 4, 3, 4, 17.0 / 70},
		{"half and half is as likely as not", 2, 4, 2, 4, 53.0 / 70},
		{"fewer failures are no sign of more", 4, 4, 0, 4, 1},
		{"no failure at all", 0, 10_000, 0, 10_000, 1},
		{"five of equally many requests, all in the second arm: 1/32", 0, 1_000_000, 5, 1_000_000, 1.0 / 32},
		{"an arm without requests says nothing", 0, 0, 5, 10, 1},
		{"more failures than requests is no data", 0, 10, 11, 10, 1},
	} {
		if got := MoreFailures(tt.failedA, tt.allA, tt.failedB, tt.allB); !near(got, tt.want, 1e-5) {
			t.Errorf("%s: p is %v, want %v", tt.why, got, tt.want)
		}
	}
}

// TestMoreFailuresSumsToOne holds the tail that is cut short against the sum of
// all probabilities.
func TestMoreFailuresSumsToOne(t *testing.T) {
	const allA, allB, failed = 300, 200, 60
	var sum float64
	for k := uint64(0); k <= failed; k++ {
		sum += math.Exp(logChoose(allB, k) + logChoose(allA, failed-k) - logChoose(allA+allB, failed))
		want := 1 - sum // P(X > k)
		if k == failed {
			break
		}
		if got := MoreFailures(failed-k-1, allA, k+1, allB); !near(got, want, 1e-9) {
			t.Fatalf("P(X >= %d) is %v, want %v", k+1, got, want)
		}
	}
}

func TestRateBounds(t *testing.T) {
	for _, tt := range []struct {
		why         string
		failed, all uint64
		confidence  float64
		low, high   float64
	}{
		{"none of n: 1 - alpha^(1/n)", 0, 15_000, 0.95, 0, 1 - math.Pow(0.05, 1.0/15_000)},
		{"two-sided 95% of 10 in 100, from published tables", 10, 100, 0.975, 0.0490, 0.1762},
		{"two-sided 95% of 1 in 20, from published tables", 1, 20, 0.975, 0.0013, 0.2487},
		{"all of n", 20, 20, 0.95, math.Pow(0.05, 1.0/20), 1},
		{"nothing known", 0, 0, 0.95, 0, 1},
	} {
		if got := LowestRate(tt.failed, tt.all, tt.confidence); !near(got, tt.low, 1e-4) {
			t.Errorf("%s: at least %v, want %v", tt.why, got, tt.low)
		}
		if got := HighestRate(tt.failed, tt.all, tt.confidence); !near(got, tt.high, 1e-4) {
			t.Errorf("%s: at most %v, want %v", tt.why, got, tt.high)
		}
	}
}

func TestHolm(t *testing.T) {
	// The procedure's textbook example: sorted .005 .01 .03 .04 times 4 3 2 1,
	// never falling.
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	want := []float64{0.03, 0.06, 0.06, 0.02}
	for i := range want {
		if !near(got[i], want[i], 1e-12) {
			t.Fatalf("adjusted to %v, want %v", got, want)
		}
	}
	if got := Holm([]float64{0.9, 0.8}); got[0] != 1 || got[1] != 1 {
		t.Errorf("adjusted to %v: no probability is above 1", got)
	}
	if got := Holm(nil); len(got) != 0 {
		t.Errorf("adjusted nothing to %v", got)
	}
}
