package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestInversionCounts(t *testing.T) {
	// Of 4 values: 1, 3, 5, 6, 5, 3, 1 of 24 orders.
	for i, want := range []float64{1, 3, 5, 6, 5, 3, 1} {
		if got := inversionCounts(4)[i] * 24; !near(got, want, 1e-9) {
			t.Errorf("%d pairs in the wrong order: %v orders, want %v", i, got, want)
		}
	}
}

func TestSlopeOfALine(t *testing.T) {
	values := make([]float64, 101)
	for i := range values {
		values[i] = 50 + 0.1*float64(i)
	}
	values[40], values[41] = 1e6, -1e6 // outliers
	s, ok := SlopeOf(values, 0.95)
	if !ok || !near(s.Begin, 50, 0.1) || !near(s.Change, 10, 0.1) || s.Low > s.Change || s.High < s.Change || s.High-s.Low > 1 {
		t.Errorf("%+v, want 10 from 50", s)
	}
	if _, ok := SlopeOf(values[:SlopeNeeds-1], 0.95); ok {
		t.Error("a slope of too few values")
	}
	if s, ok := SlopeOf(values[:SlopeNeeds], 0.95); !ok || math.IsInf(s.Low, 0) || math.IsInf(s.High, 0) {
		t.Errorf("%+v of %d values, want an interval", s, SlopeNeeds)
	}
	flat := make([]float64, 60)
	if s, _ := SlopeOf(flat, 0.95); s != (Slope{}) {
		t.Errorf("%+v of nothing but zeros", s)
	}
}

// The interval holds the truth as often as it says, also where neighbours are alike, as readings of memory are.
func TestSlopeKeepsItsLevel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, row := range []struct {
		name  string
		alike float64 // share of a value that stays in the next one
		least float64
	}{{"independent", 0, 0.94}, {"alike", 0.5, 0.90}} {
		held := 0
		const runs = 2000
		for range runs {
			values, last := make([]float64, 300), 0.0
			for i := range values {
				last = row.alike*last + random.NormFloat64()
				values[i] = 100 + 0.02*float64(i) + last
			}
			if s, _ := SlopeOf(values, 0.95); s.Low <= 0.02*299 && s.High >= 0.02*299 {
				held++
			}
		}
		if share := float64(held) / runs; share < row.least {
			t.Errorf("%s: the interval holds the truth in %.3f, want %.2f or more", row.name, share, row.least)
		}
	}
}
