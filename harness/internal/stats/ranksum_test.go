package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestRankSumCounts compares with all orders of a small case, counted one by one.
func TestRankSumCounts(t *testing.T) {
	const m, n = 3, 4
	want := make([]float64, m*n+1)
	all := 0.0
	for set := range 1 << (m + n) {
		above, size := 0, 0
		lower := 0
		for i := range m + n {
			if set>>i&1 == 1 {
				above += lower
				size++
			} else {
				lower++
			}
		}
		if size == m {
			want[above]++
			all++
		}
	}
	for u, p := range rankSumCounts(m, n) {
		if math.Abs(p-want[u]/all) > 1e-12 {
			t.Errorf("%d pairs: probability %v: want %v", u, p, want[u]/all)
		}
	}
	var half float64
	for _, p := range rankSumCounts(499, 501) {
		half += p
	}
	if math.Abs(half-0.5) > 0.001 {
		t.Errorf("half of all orders of 1,000 values: %v", half)
	}
}

func TestShifted(t *testing.T) {
	if s := Shifted([]float64{1, 2, 3}, []float64{11, 12, 13}, 0.95); s.Middle != 10 || !math.IsInf(s.Low, -1) || !math.IsInf(s.High, 1) {
		t.Errorf("three and three: %+v: want 10 and no interval", s)
	}
	const series, shift = 2000, 0.7
	r, covered := rand.New(rand.NewPCG(3, 4)), 0
	for range series {
		before, after := drawn(r, 7, heavy), drawn(r, 5, heavy)
		for i := range after {
			after[i] += shift
		}
		if s := Shifted(before, after, 0.95); s.Low <= shift && shift <= s.High {
			covered++
		}
	}
	if share := float64(covered) / series; share < 0.94 || share > 0.985 {
		t.Errorf("the 95%% interval holds the shift in %.1f%% of series", 100*share)
	}
}
