package measure

import (
	"math"
	"time"
)

// tail is how many samples must lie beyond a percentile before it is printed:
// p99 wants 1,000 samples, p99.9 wants 10,000.
const tail = 10

// Percentiles sums up a distribution, in milliseconds. A figure is nil where
// there are too few samples for it.
type Percentiles struct {
	Samples uint64   `json:"samples"`
	P50     *float64 `json:"p50,omitempty"`
	P90     *float64 `json:"p90,omitempty"`
	P95     *float64 `json:"p95,omitempty"`
	P99     *float64 `json:"p99,omitempty"`
	P999    *float64 `json:"p999,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Mean    *float64 `json:"mean,omitempty"`
}

// Enough tells whether n samples carry quantile q (0 to 1).
func Enough(n uint64, q float64) bool {
	if n == 0 || q < 0 || q >= 1 {
		return false
	}
	// The margin is for 1-0.999, which is a bit more than 0.001.
	return float64(n)*(1-q) >= tail-1e-6
}

// Wanted is the number of samples that quantile q needs.
func Wanted(q float64) uint64 { return uint64(math.Ceil(tail/(1-q) - 1e-6)) }

// Percentile is quantile q (0 to 1) in milliseconds, nil where there are too
// few samples.
func (h Histogram) Percentile(q float64) *float64 {
	if !Enough(h.Count(), q) {
		return nil
	}
	return ms(h.Quantile(q))
}

// Percentiles sums the histogram up.
func (h Histogram) Percentiles() Percentiles {
	p := Percentiles{
		Samples: h.Count(),
		P50:     h.Percentile(0.5),
		P90:     h.Percentile(0.9),
		P95:     h.Percentile(0.95),
		P99:     h.Percentile(0.99),
		P999:    h.Percentile(0.999),
	}
	if p.Samples > 0 {
		p.Max, p.Mean = ms(h.Max()), ms(h.Mean())
	}
	return p
}

// Point is a place on the curve of a distribution.
type Point struct {
	Percentile float64 // 0 to 100
	MS         float64
}

// Curve is the distribution at ever finer percentiles, as far as the samples
// carry: for a plot with a logarithmic tail.
func (h Histogram) Curve() []Point {
	var out []Point
	for _, p := range []float64{0, 10, 25, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97.5, 98, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999} {
		v := h.Percentile(p / 100)
		if v == nil {
			break
		}
		out = append(out, Point{Percentile: p, MS: *v})
	}
	return out
}

func ms(d time.Duration) *float64 {
	v := float64(d) / float64(time.Millisecond)
	return &v
}
