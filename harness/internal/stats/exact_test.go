package stats

import (
	"math"
	"testing"
)

func near(got, want, off float64) bool { return math.Abs(got-want) <= off }

func TestMoreFailures(t *testing.T) {
	for _, tt := range []struct {
		name                         string
		failedA, allA, failedB, allB uint64
		want                         float64
	}{
		// By hand: (4 over 4)(4 over 4)/(8 over 4) = 1/70, 17/70, 53/70.
		{name: "none of four against all of four", failedA: 0, allA: 4, failedB: 4, allB: 4, want: 1.0 / 70},
		{name: "one of four against three of four, the tea taster's table", failedA: 1, allA: 4, failedB: 3, allB: 4, want: 17.0 / 70},
		{name: "half and half is as likely as not", failedA: 2, allA: 4, failedB: 2, allB: 4, want: 53.0 / 70},
		{name: "fewer failures are no sign of more", failedA: 4, allA: 4, failedB: 0, allB: 4, want: 1},
		{name: "no failure at all", failedA: 0, allA: 10_000, failedB: 0, allB: 10_000, want: 1},
		{name: "five of equally many requests, all in the second arm: 1/32", failedA: 0, allA: 1_000_000, failedB: 5, allB: 1_000_000,
			want: 1.0 / 32},
		{name: "an arm without requests says nothing", failedA: 0, allA: 0, failedB: 5, allB: 10, want: 1},
		{name: "more failures than requests is no data", failedA: 0, allA: 10, failedB: 11, allB: 10, want: 1},
	} {
		if got := MoreFailures(tt.failedA, tt.allA, tt.failedB, tt.allB); !near(got, tt.want, 1e-5) {
			t.Errorf("%s: p is %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestMoreFailuresSumsToOne compares the tail that is cut short with the sum of
// all probabilities.
func TestMoreFailuresSumsToOne(t *testing.T) {
	const allA = 300
	const allB = 200
	const failed = 60
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
		name        string
		failed, all uint64
		confidence  float64
		low, high   float64
	}{
		{name: "none of n: 1 - alpha^(1/n)", failed: 0, all: 15_000, confidence: 0.95, low: 0, high: 1 - math.Pow(0.05, 1.0/15_000)},
		{name: "two-sided 95% of 10 in 100, from published tables", failed: 10, all: 100, confidence: 0.975, low: 0.0490, high: 0.1762},
		{name: "two-sided 95% of 1 in 20, from published tables", failed: 1, all: 20, confidence: 0.975, low: 0.0013, high: 0.2487},
		{name: "all of n", failed: 20, all: 20, confidence: 0.95, low: math.Pow(0.05, 1.0/20), high: 1},
		{name: "nothing known", failed: 0, all: 0, confidence: 0.95, low: 0, high: 1},
	} {
		if got := LowestRate(tt.failed, tt.all, tt.confidence); !near(got, tt.low, 1e-4) {
			t.Errorf("%s: at least %v, want %v", tt.name, got, tt.low)
		}
		if got := HighestRate(tt.failed, tt.all, tt.confidence); !near(got, tt.high, 1e-4) {
			t.Errorf("%s: at most %v, want %v", tt.name, got, tt.high)
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
