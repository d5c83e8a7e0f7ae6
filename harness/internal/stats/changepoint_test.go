package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// noise has a mean of about 0 and a standard deviation of about one; the
// log-ratios of runs are like it.
type noise func(*rand.Rand) float64

func gaussian(r *rand.Rand) float64 { return r.NormFloat64() }

// heavy is Student's t with three degrees of freedom.
func heavy(r *rand.Rand) float64 {
	var square float64
	for range 3 {
		x := r.NormFloat64()
		square += x * x
	}
	return r.NormFloat64() / math.Sqrt(square/3)
}

// ratios are of lognormal values: always above zero, and skewed.
func ratios(r *rand.Rand) float64 { return math.Exp(0.5 * r.NormFloat64()) }

// rarely is an error rate that is zero in most runs.
func rarely(r *rand.Rand) float64 { return max(0, r.NormFloat64()-1) }

func drawn(r *rand.Rand, n int, of noise) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = of(r)
	}
	return out
}

// defaults is the test as the command uses it, with fewer permutations.
func defaults(seed int) ChangeTest {
	return ChangeTest{Level: 0.05, Permutations: 199, Seed: uint64(seed)}
}

// quick has the fewest permutations with which the rate of false alarms can be
// the level exactly.
func quick(seed int) ChangeTest {
	return ChangeTest{Level: 0.05, Permutations: 99, Seed: uint64(seed)}
}

// TestFalseAlarms simulates series that are all alike. The bound is the level and
// three standard errors of the simulation.
func TestFalseAlarms(t *testing.T) {
	const series = 600
	outlier := func(at func(n int) int) func(*rand.Rand, int) []float64 {
		return func(r *rand.Rand, n int) []float64 {
			out := drawn(r, n, gaussian)
			out[at(n)] = 30
			return out
		}
	}
	for _, test := range []struct {
		name string
		draw func(*rand.Rand, int) []float64
	}{
		{"normal", func(r *rand.Rand, n int) []float64 { return drawn(r, n, gaussian) }},
		{"heavy tails", func(r *rand.Rand, n int) []float64 { return drawn(r, n, heavy) }},
		{"ratios", func(r *rand.Rand, n int) []float64 { return drawn(r, n, ratios) }},
		{"mostly zero", func(r *rand.Rand, n int) []float64 { return drawn(r, n, rarely) }},
		{"one outlier in the middle", outlier(func(n int) int { return n / 2 })},
		{"one outlier at the end", outlier(func(n int) int { return n - 1 })},
		{"one outlier at the beginning", outlier(func(int) int { return 0 })},
	} {
		for _, n := range []int{8, 20} {
			alarms, r := 0, rand.New(rand.NewPCG(7, uint64(n)))
			for i := range series {
				if len(ChangePoints(test.draw(r, n), quick(i))) > 0 {
					alarms++
				}
			}
			rate := float64(alarms) / series
			t.Logf("%s, %d values: false alarms in %.1f%% of %d series", test.name, n, 100*rate, series)
			if most := 0.05 + 3*math.Sqrt(0.05*0.95/series); rate > most {
				t.Errorf("%s, %d values: false alarms in %.1f%%: want at most %.1f%%", test.name, n, 100*rate, 100*most)
			}
		}
	}
}

// TestPower simulates series with one step, and demands its place.
func TestPower(t *testing.T) {
	const series = 200
	for _, test := range []struct {
		name        string
		n, at       int
		step, noise float64
		of          noise
		outlier     float64 // what the sixth value is multiplied by, unless 0
		want        float64 // share found at the place, or one beside it
	}{
		{name: "10% at 3% noise, in the middle", n: 20, at: 10, step: 1.10, noise: 0.03, of: gaussian, want: 0.90},
		{name: "10% slower, in the middle", n: 20, at: 10, step: 0.90, noise: 0.03, of: gaussian, want: 0.90},
		{
			name: "10% at 3% noise, with an outlier of 50%", n: 20, at: 10, step: 1.10, noise: 0.03, of: gaussian,
			outlier: 1.5, want: 0.80,
		},
		{name: "10% with heavy tails of 3%", n: 20, at: 10, step: 1.10, noise: 0.03, of: heavy, want: 0.80},
		{name: "10% at 3% noise, five values ago", n: 20, at: 15, step: 1.10, noise: 0.03, of: gaussian, want: 0.90},
		{name: "10% at 3% noise, three values ago", n: 20, at: 17, step: 1.10, noise: 0.03, of: gaussian, want: 0.70},
		{name: "5% at 3% noise, in the middle", n: 20, at: 10, step: 1.05, noise: 0.03, of: gaussian, want: 0.45},
	} {
		found, r := 0, rand.New(rand.NewPCG(9, uint64(test.at)))
		for i := range series {
			values := make([]float64, test.n)
			for j := range values {
				values[j] = 1000 * math.Exp(test.noise*test.of(r))
				if j >= test.at {
					values[j] *= test.step
				}
			}
			if test.outlier > 0 {
				values[5] *= test.outlier
			}
			for _, c := range ChangePoints(values, defaults(i)) {
				if c.Index >= test.at-1 && c.Index <= test.at+1 {
					found++
					break
				}
			}
		}
		share := float64(found) / series
		t.Logf("%s: found in %.1f%%", test.name, 100*share)
		if share < test.want {
			t.Errorf("%s: found in %.1f%%: want %.0f%%", test.name, 100*share, 100*test.want)
		}
	}
}

// TestFalseAlarmsBesideAChange: each side of a change is a series of its own, so
// a further change where there is none has twice the level.
func TestFalseAlarmsBesideAChange(t *testing.T) {
	const series, want = 600, 0.10
	more, r := 0, rand.New(rand.NewPCG(11, 12))
	for i := range series {
		values := drawn(r, 20, gaussian)
		for j := 10; j < len(values); j++ {
			values[j] += 5
		}
		if len(ChangePoints(values, quick(i))) > 1 {
			more++
		}
	}
	rate := float64(more) / series
	t.Logf("a further change in %.1f%%", 100*rate)
	if most := want + 3*math.Sqrt(want*(1-want)/series); rate > most {
		t.Errorf("a further change in %.1f%% of series: want at most %.1f%%", 100*rate, 100*most)
	}
}

// TestSeveralChanges: up and down again is two changes, wherever the noise lies.
func TestSeveralChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	values := drawn(r, 30, gaussian)
	for i := 10; i < 20; i++ {
		values[i] += 8
	}
	got := ChangePoints(values, defaults(1))
	if len(got) != 2 || got[0].Index != 10 || got[1].Index != 20 {
		t.Errorf("change points %v: want 10 and 20", got)
	}
	if again := ChangePoints(values, defaults(1)); !slices.Equal(got, again) {
		t.Errorf("the second time: %v, %v", got, again)
	}
}

// TestFewestValues: the limits that the constants' comments state.
func TestFewestValues(t *testing.T) {
	step := []float64{1, 1.01, 1.02, 1.03, 5, 5.01, 5.02, 5.03}
	if got := ChangePoints(step, ChangeTest{Level: 0.05, Permutations: 1999}); len(got) != 1 || got[0].Index != 4 {
		t.Errorf("a step of eight values: %v", got)
	}
	if got := ChangePoints(step[:7], ChangeTest{Level: 0.05, Permutations: 1999}); got != nil {
		t.Errorf("seven values: %v", got)
	}
	if got := ChangePoints(make([]float64, 20), defaults(1)); got != nil {
		t.Errorf("equal values: %v", got)
	}
}
