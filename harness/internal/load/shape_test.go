package load

import (
	"math"
	"strings"
	"testing"
	"time"
)

// The schedule's inverse is one, and without a shape it is n/rate, to the nanosecond.
func TestScheduleOfAConstantRate(t *testing.T) {
	a := Attack{Model: Open, Rate: 333, Warmup: time.Second, Duration: 2 * time.Second}
	s := a.Schedule()
	for n := range uint64(999) {
		if got, want := s.At(float64(n)), time.Duration(math.Round(float64(n)/333*1e9)); got != want {
			t.Fatalf("request %d is due at %v, want %v", n, got, want)
		}
	}
	if s.At(999) != 3*time.Second || s.At(1e9) != 3*time.Second || s.Count(time.Hour) != 999 || s.Rate(time.Second) != 333 ||
		a.MeanRate() != 333 {
		t.Errorf("the end is %v, %v requests, rate %v, mean %v", s.At(999), s.Count(time.Hour), s.Rate(time.Second), a.MeanRate())
	}
}

func TestScheduleOfShapes(t *testing.T) {
	at := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
	for _, row := range []struct {
		name   string
		shape  []Segment
		counts map[float64]float64 // requests due until a second, with a warm-up of one second
		rates  map[float64]float64
		mean   float64
		peak   float64
	}{
		{
			name: "steps", shape: []Segment{{at(2), 0.5, 0.5}, {at(2), 1, 1}, {at(1), 2, 2}},
			counts: map[float64]float64{1: 50, 3: 150, 4: 250, 5: 350, 6: 550}, rates: map[float64]float64{0: 50, 2: 50, 4: 100, 5.5: 200},
			mean: 100, peak: 200,
		},
		{
			name: "a ramp up and down", shape: []Segment{{at(4), 0, 1}, {at(4), 1, 0}},
			counts: map[float64]float64{1: 0, 3: 50, 5: 200, 7: 350, 9: 400}, rates: map[float64]float64{0.5: 0, 3: 50, 5: 100, 7: 50},
			mean: 50, peak: 100,
		},
		{
			name: "a spike", shape: []Segment{{at(4), 1, 1}, {at(0.5), 10, 10}, {at(4), 1, 1}},
			counts: map[float64]float64{1: 100, 5: 500, 5.5: 1000, 9.5: 1400}, rates: map[float64]float64{4.9: 100, 5.1: 1000, 5.6: 100},
			mean: 1300 / 8.5, peak: 1000,
		},
		{
			name: "a pause", shape: []Segment{{at(1), 1, 1}, {at(3), 0, 0}, {at(1), 1, 1}},
			counts: map[float64]float64{2: 200, 4: 200, 5: 200, 6: 300}, rates: map[float64]float64{3: 0, 5.5: 100}, mean: 40, peak: 100,
		},
	} {
		a := Attack{
			Model: Open, Target: "http://127.0.0.1:1", Rate: 100, Warmup: time.Second, Shape: row.shape, Requests: []Request{{Name: "a", Path: "/"}},
		}
		for _, s := range row.shape {
			a.Duration += s.For
		}
		if err := a.Validate(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		s := a.Schedule()
		for when, want := range row.counts {
			if got := s.Count(at(when)); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: %v requests until second %v, want %v", row.name, got, when, want)
			}
		}
		for when, want := range row.rates {
			if got := s.Rate(at(when)); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: %v/s at second %v, want %v", row.name, got, when, want)
			}
		}
		if math.Abs(a.MeanRate()-row.mean) > 1e-6 || s.Peak() != row.peak {
			t.Errorf("%s: mean %v, peak %v, want %v and %v", row.name, a.MeanRate(), s.Peak(), row.mean, row.peak)
		}
		// When a request is due, so many are due before; and never while the rate is 0.
		last := time.Duration(-1)
		for n := range uint64(s.Count(time.Hour)) {
			due := s.At(float64(n))
			if due < last || math.Abs(s.Count(due)-float64(n)) > 1e-3 || s.Rate(due+time.Microsecond) == 0 {
				t.Fatalf("%s: request %d is due at %v, where %v are, at %v/s; the one before at %v", row.name, n, due, s.Count(due),
					s.Rate(due), last)
			}
			last = due
		}
	}
}

// The times between the arrivals of a Poisson process are distributed exponentially: their mean is their standard deviation, a share of
// 1-1/e is below the mean, and one says nothing of the next.
func TestPoissonArrivals(t *testing.T) {
	const n = 100_000
	a := NewArrivals(7)
	gaps := make([]float64, n)
	last := 0.0
	for i := range gaps {
		at := a.Count(uint64(i))
		gaps[i], last = at-last, at
		if again := a.Count(uint64(i)); again != at {
			t.Fatalf("request %d is due at %v and at %v", i, at, again)
		}
	}
	var sum, squares, below, next float64
	for i, g := range gaps {
		sum, squares = sum+g, squares+g*g
		if g < 1 {
			below++
		}
		if i > 0 {
			next += (g - 1) * (gaps[i-1] - 1)
		}
	}
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	if math.Abs(mean-1) > 0.015 || math.Abs(deviation-1) > 0.025 || math.Abs(below/n-(1-1/math.E)) > 0.01 || math.Abs(next/n) > 0.02 {
		t.Errorf("mean %v, standard deviation %v, below the mean %v, correlation %v", mean, deviation, below/n, next/n)
	}
	// Counted by second at 100/s, their variance is their mean.
	counts := map[int]float64{}
	b := NewArrivals(8)
	for i := range uint64(n) {
		counts[int(b.Count(i)/100)]++
	}
	var variance float64
	seconds := n/100 - 10
	for s := range seconds {
		variance += (counts[s] - 100) * (counts[s] - 100) / float64(seconds)
	}
	if variance < 80 || variance > 120 {
		t.Errorf("the variance of the counts is %v, their mean 100", variance)
	}
	if NewArrivals(7).Count(0) != NewArrivals(7).Count(0) || NewArrivals(7).Count(0) == NewArrivals(8).Count(0) {
		t.Error("one seed has two sequences, or two have one")
	}
}

func TestShapesThatAreRefused(t *testing.T) {
	base := Attack{Model: Open, Target: "http://127.0.0.1:1", Rate: 100, Duration: 10 * time.Second,
		Requests: []Request{{Name: "a", Path: "/"}}}
	for want, change := range map[string]func(*Attack){
		"shape: segments of 4s together are not allowed: want those of the duration, 10s": func(a *Attack) {
			a.Shape = []Segment{{4 * time.Second, 1, 1}}
		},
		"shape[0].for: 0s is not allowed: want above 0":                         func(a *Attack) { a.Shape = []Segment{{0, 1, 1}} },
		"shape[0]: -1 times the rate of 100":                                    func(a *Attack) { a.Shape = []Segment{{time.Second, 1, -1}} },
		"shape[0]: 3000 times the rate of 100 is not allowed: want 0 to 200000": func(a *Attack) { a.Shape = []Segment{{time.Second, 3000, 1}} },
		"shape: 1001 segments are not allowed":                                  func(a *Attack) { a.Shape = make([]Segment, 1001) },
		`arrivals: "uniform" is not known: want poisson, or nothing`:            func(a *Attack) { a.Arrivals = "uniform" },
		"shape: is not allowed with the model closed: want open": func(a *Attack) {
			a.Model, a.Connections = Closed, 1
			a.Arrivals = Poisson
		},
	} {
		a := base
		change(&a)
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
