package origin

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestDelayQuantiles(t *testing.T) {
	d := delay{20 * time.Millisecond, 80 * time.Millisecond}
	for _, row := range []struct {
		say  string
		u    float64
		want time.Duration
	}{
		{say: "the median is the median", u: 0.5, want: 20 * time.Millisecond},
		{say: "the 99th percentile is p99", u: 0.99, want: 80 * time.Millisecond},
		{say: "the first percentile is as far below", u: 0.01, want: 5 * time.Millisecond},
	} {
		if got := d.at(row.u); math.Abs(float64(got-row.want)) > float64(row.want)/1000 {
			t.Errorf("%s: got %s, want %s", row.say, got, row.want)
		}
	}
	if got := (delay{time.Second, time.Second}).at(0.999); got != time.Second {
		t.Errorf("a p99 that is the median: got %s, want always 1s", got)
	}
	if got := (delay{}).at(0.999); got != 0 {
		t.Errorf("no delay: got %s", got)
	}
}

func TestDrawsAreUniformAndSeeded(t *testing.T) {
	const n = 20000
	o := New(Config{Seed: 1})
	same := New(Config{Seed: 1})
	other := New(Config{Seed: 2})
	var delays []time.Duration
	sum := [2]float64{}
	for i := range uint64(n) {
		for j := range uint64(2) {
			u := o.draw(i, j)
			if u <= 0 || u >= 1 {
				t.Fatalf("draw %d %d: %v", i, j, u)
			}
			if u != same.draw(i, j) || u == other.draw(i, j) {
				t.Fatalf("draw %d %d: not by the seed", i, j)
			}
			sum[j] += u
		}
		delays = append(delays, delay{20 * time.Millisecond, 80 * time.Millisecond}.at(o.draw(i, 0)))
	}
	for j, s := range sum {
		if mean := s / n; math.Abs(mean-0.5) > 0.01 { // standard error 0.002
			t.Errorf("mean of draw %d: %v", j, mean)
		}
	}
	slices.Sort(delays)
	for q, want := range map[float64]float64{0.5: 20, 0.99: 80} {
		if got := delays[int(q*n)].Seconds() * 1000; math.Abs(got-want) > want*0.06 {
			t.Errorf("quantile %v of %d delays: %.1f ms, want %v", q, n, got, want)
		}
	}
}
