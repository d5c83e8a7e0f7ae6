package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// Ways in which the requests of an open attack arrive.
const (
	Even    = ""        // at equal intervals
	Poisson = "poisson" // at random, each independent of the others, as those of many users are
)

// Segment is a piece of the shape of an open attack: its rate goes from one multiple of Attack.Rate to another, in a straight line. Equal
// multiples are a step, a short high one is a spike.
type Segment struct {
	For  time.Duration `json:"for"`
	From float64       `json:"from"` // of Attack.Rate
	To   float64       `json:"to"`
}

const maxSegments = 1000

func (a *Attack) validateArrivals() error {
	switch {
	case len(a.Shape) == 0 && a.Arrivals == Even:
		return nil
	case a.Model != Open:
		return fmt.Errorf("shape: is not allowed with the model %s: want %s", a.Model, Open)
	case a.Arrivals != Even && a.Arrivals != Poisson:
		return fmt.Errorf("arrivals: %q is not known: want %s, or nothing for equal intervals", a.Arrivals, Poisson)
	case len(a.Shape) == 0:
		return nil
	case len(a.Shape) > maxSegments:
		return fmt.Errorf("shape: %d segments are not allowed: want at most %d", len(a.Shape), maxSegments)
	}
	var length time.Duration
	for i, s := range a.Shape {
		if s.For <= 0 {
			return fmt.Errorf("shape[%d].for: %v is not allowed: want above 0", i, s.For)
		}
		for _, level := range []float64{s.From, s.To} {
			if !(level >= 0 && level*a.Rate <= maxRate) {
				return fmt.Errorf("shape[%d]: %v times the rate of %v is not allowed: want 0 to %d requests per second", i, level, a.Rate, maxRate)
			}
		}
		length += s.For
	}
	if length != a.Duration {
		return fmt.Errorf("shape: segments of %v together are not allowed: want those of the duration, %v", length, a.Duration)
	}
	return nil
}

// Schedule says when the requests of an open attack are due. Times count from the attack's beginning, its warm-up included, in which the
// rate is the one with which the shape begins.
type Schedule struct{ pieces []piece }

// piece is a time in which the rate changes in a straight line.
type piece struct {
	start, end float64 // seconds
	from, to   float64 // requests per second
	before     float64 // requests that are due before it
}

// count is how many requests are due until a time within the piece.
func (p *piece) count(at float64) float64 {
	t := at - p.start
	return p.before + p.from*t + (p.to-p.from)/(p.end-p.start)*t*t/2
}

// at is when a number of requests is due within the piece.
func (p *piece) at(count float64) float64 {
	m := count - p.before
	switch {
	case m <= 0:
		return p.start
	case p.from == p.to:
		return p.start + m/p.from
	}
	slope := (p.to - p.from) / (p.end - p.start)
	// The root of from*t + slope*t*t/2 = m, in the form that loses no digits where the slope is small. A rounding error may make what is
	// below the root negative at the end of a piece that ends at 0.
	root := math.Sqrt(max(p.from*p.from+2*slope*m, 0))
	return min(p.start+2*m/(p.from+root), p.end)
}

// Schedule is the attack's; its rate must be above 0.
func (a *Attack) Schedule() *Schedule {
	s := &Schedule{}
	if len(a.Shape) == 0 {
		s.add((a.Warmup + a.Duration).Seconds(), a.Rate, a.Rate)
		return s
	}
	if first := a.Shape[0].From * a.Rate; a.Warmup > 0 {
		s.add(a.Warmup.Seconds(), first, first)
	}
	end := a.Warmup
	for _, one := range a.Shape {
		end += one.For // sums of durations are exact, those of seconds are not
		s.add(end.Seconds(), one.From*a.Rate, one.To*a.Rate)
	}
	return s
}

func (s *Schedule) add(end, from, to float64) {
	p := piece{end: end, from: from, to: to}
	if n := len(s.pieces); n > 0 {
		last := &s.pieces[n-1]
		p.start, p.before = last.end, last.count(last.end)
	}
	s.pieces = append(s.pieces, p)
}

// end is when the last piece ends, in seconds.
func (s *Schedule) end() float64 { return s.pieces[len(s.pieces)-1].end }

// Count is how many requests are due before a time, by the rate alone: also fractions.
func (s *Schedule) Count(at time.Duration) float64 {
	seconds := min(max(at.Seconds(), 0), s.end())
	i := sort.Search(len(s.pieces)-1, func(i int) bool { return s.pieces[i].end > seconds })
	return s.pieces[i].count(seconds)
}

// At is when a number of requests is due, which may be a fraction: the first request is number 0, and due as soon as the rate is above 0. A
// number that never is due within the attack is due at its end.
func (s *Schedule) At(count float64) time.Duration {
	i := sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].count(s.pieces[i].end) > count })
	if i == len(s.pieces) {
		return time.Duration(math.Round(s.end() * float64(time.Second)))
	}
	return time.Duration(math.Round(s.pieces[i].at(count) * float64(time.Second)))
}

// Rate is how many requests per second are due at a time.
func (s *Schedule) Rate(at time.Duration) float64 {
	seconds := min(max(at.Seconds(), 0), s.end())
	p := &s.pieces[sort.Search(len(s.pieces)-1, func(i int) bool { return s.pieces[i].end > seconds })]
	return p.from + (p.to-p.from)*(seconds-p.start)/(p.end-p.start)
}

// Peak is the highest rate, in requests per second.
func (s *Schedule) Peak() (most float64) {
	for _, p := range s.pieces {
		most = max(most, p.from, p.to)
	}
	return most
}

// MeanRate is the mean rate of the attack's measured window, in requests per second.
func (a *Attack) MeanRate() float64 {
	if len(a.Shape) == 0 || a.Duration <= 0 {
		return a.Rate
	}
	s := a.Schedule()
	return (s.Count(a.Warmup+a.Duration) - s.Count(a.Warmup)) / a.Duration.Seconds()
}

// Arrivals are the requests of an attack whose arrivals are those of a Poisson process: the counts of its schedule at which they are due,
// one after the other. Attacks of one seed have the same.
type Arrivals struct {
	random *rand.Rand
	drawn  uint64 // requests
	count  float64
}

// arrivalStream tells the random numbers of arrivals from others of the same seed.
const arrivalStream = 0x6172726976616c73

// NewArrivals begins before the first request.
func NewArrivals(seed uint64) *Arrivals {
	return &Arrivals{random: rand.New(rand.NewPCG(seed, arrivalStream))} //nolint:gosec // repeatable by design
}

// Count is the schedule's count at which request n is due. n must not be less than in the call before.
func (a *Arrivals) Count(n uint64) float64 {
	for a.drawn <= n {
		a.count += a.random.ExpFloat64()
		a.drawn++
	}
	return a.count
}
