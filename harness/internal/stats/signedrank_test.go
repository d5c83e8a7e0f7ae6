package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Wilcoxon's own table: of ten pairs a rank sum of 8 or less on one side has a
// probability of 2.4%, of 10 or less 4.2%.
func TestSignedRankIsWilcoxons(t *testing.T) {
	values := []float64{-1, -2, -5, 3, 4, 6, 7, 8, 9, 10} // rank sum of the negative: 8
	s := newSignedRank(values)
	if p := s.atMost(0); math.Abs(p-25.0/1024) > 1e-9 {
		t.Errorf("p %v, want %v", p, 25.0/1024)
	}
	if p := s.atLeast(0); math.Abs(p-1) > 0.03 {
		t.Errorf("p of the other side %v, want nearly 1", p)
	}
	if low, high := s.below(0.05), s.below(0.95); low <= 0 || low >= s.middle() || high <= s.middle() {
		t.Errorf("bounds %v to %v around %v: want both above 0", low, high, s.middle())
	}
	if low := s.below(0.02); low > 0 {
		t.Errorf("98%% bound %v: want 0 or less, as p is 2.4%%", low)
	}
}

func TestSignedRankOfEqualValues(t *testing.T) {
	s := newSignedRank([]float64{0, 0, 0, 0, 0, 0, 0, 0})
	if p := s.atMost(0); p != 1 {
		t.Errorf("on the limit: p %v, want 1", p)
	}
	if p := s.atLeast(0.1); p != 1.0/256 {
		t.Errorf("all below: p %v, want 1 in 256", p)
	}
	if s.middle() != 0 || s.below(0.05) != 0 || s.below(0.95) != 0 {
		t.Errorf("%v, %v to %v: want 0", s.middle(), s.below(0.05), s.below(0.95))
	}
}

// A promise of at most so many errors has to hold with as few pairs as a gate
// has, at levels as small as sharing among metrics makes them.
func TestSignedRankKeepsItsLevel(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 1))
	const draws = 20_000
	for _, n := range []int{9, 18} {
		for _, level := range []float64{0.05, 0.05 / 2 / 12} {
			wrong, outside := 0, 0
			for range draws {
				values := make([]float64, n)
				for i := range values {
					values[i] = random.NormFloat64()
					if random.IntN(5) == 0 {
						values[i] *= 5 // a stall
					}
				}
				s := newSignedRank(values)
				if s.atMost(0) <= level {
					wrong++
				}
				if s.below(level) > 0 {
					outside++
				}
			}
			allowed := level*draws + 4*math.Sqrt(level*draws)
			if float64(wrong) > allowed || wrong != outside {
				t.Errorf("%d pairs at %.2g: %d and %d of %d wrong, want the same, and at most %.0f", n, level, wrong, outside, draws, allowed)
			}
		}
	}
}
