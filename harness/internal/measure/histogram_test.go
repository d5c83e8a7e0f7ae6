package measure

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func near(got, want time.Duration, share float64) bool {
	diff := got - want
	if diff < 0 {
		diff = -diff
	}
	return float64(diff) <= share*float64(want)+float64(time.Microsecond)
}

// sample draws latencies with a long tail, and the same each time.
func sample(n int) []time.Duration {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration(r.ExpFloat64() * float64(20*time.Millisecond))
	}
	return out
}

func TestHistogramAgreesWithSortedSamples(t *testing.T) {
	values := sample(50_000)
	var h Histogram
	var sum time.Duration
	for _, v := range values {
		h.Record(v)
		sum += v
	}
	slices.Sort(values)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		want := values[int(q*float64(len(values)))-1]
		if got := h.Quantile(q); !near(got, want, 0.002) {
			t.Errorf("quantile %v is %v, the sorted samples say %v", q, got, want)
		}
	}
	if got, want := h.Mean(), sum/time.Duration(len(values)); !near(got, want, 0.002) {
		t.Errorf("mean is %v, want %v", got, want)
	}
	if got, want := h.Max(), values[len(values)-1]; !near(got, want, 0.001) {
		t.Errorf("max is %v, want %v", got, want)
	}
}

func TestHistogramMergesAsIfRecordedTogether(t *testing.T) {
	values := sample(10_000)
	var all, one, two Histogram
	for i, v := range values {
		all.Record(v)
		if i%3 == 0 {
			one.Record(v)
		} else {
			two.Record(v)
		}
	}
	clone := one.Clone()
	one.Merge(two)
	one.Merge(Histogram{})
	if !slices.Equal(one.Distribution(), all.Distribution()) {
		t.Error("merged parts differ from the whole")
	}
	if clone.Count() != 3334 {
		t.Errorf("the clone changed with its original: %d samples", clone.Count())
	}
	one.Merge(one)
	if one.Count() != 20_000 {
		t.Errorf("merged with itself it has %d samples, want 20000", one.Count())
	}
}

func TestHistogramKeepsSamplesBeyondItsRange(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{-time.Second, 0, 300 * time.Nanosecond, 5 * time.Minute} {
		h.Record(d)
	}
	if h.Count() != 4 {
		t.Errorf("%d samples, want 4", h.Count())
	}
	if got := h.Quantile(0.1); got != Lowest {
		t.Errorf("the shortest is %v, want %v", got, Lowest)
	}
	if got := h.Max(); !near(got, Highest, 0.001) {
		t.Errorf("the longest is %v, want %v", got, Highest)
	}
}

func TestHistogramThroughJSON(t *testing.T) {
	type carrier struct {
		H Histogram `json:"h"`
	}
	for name, n := range map[string]int{"empty": 0, "one sample": 1, "many": 5000} {
		t.Run(name, func(t *testing.T) {
			var in, out carrier
			for _, v := range sample(n) {
				in.H.Record(v)
			}
			b, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &out); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(in.H.Distribution(), out.H.Distribution()) {
				t.Error("it came back different")
			}
			out.H.Record(time.Second) // it can be used on
			if out.H.Count() != uint64(n)+1 {
				t.Errorf("%d samples, want %d", out.H.Count(), n+1)
			}
		})
	}
}

func TestHistogramReset(t *testing.T) {
	var h Histogram
	h.Reset()
	h.Record(time.Second)
	h.Reset()
	if h.Count() != 0 || h.Max() != 0 || h.Quantile(0.5) != 0 || h.Mean() != 0 {
		t.Errorf("after a reset: %d samples, max %v", h.Count(), h.Max())
	}
}

func TestDecodeRefuses(t *testing.T) {
	var h Histogram
	h.Record(time.Second)
	good, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"no base64":  []byte("!!!!"),
		"no header":  []byte("AAAA"),
		"cut off":    good[:len(good)/2],
		"other data": []byte("SGVsbG8gd29ybGQsIGhlbGxvIHdvcmxkLCBoZWxsbyB3b3JsZA=="),
	} {
		if _, err := Decode(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	var out Histogram
	if err := json.Unmarshal([]byte("7"), &out); err == nil {
		t.Error("a number was accepted for a histogram")
	}
}

func FuzzDecode(f *testing.F) {
	var h Histogram
	for _, v := range sample(100) {
		h.Record(v)
	}
	b, err := h.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("AAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Decode(b)
		if err != nil {
			return
		}
		again, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		other, err := Decode(again)
		if err != nil || other.Count() != h.Count() {
			t.Fatalf("%d samples became %d: %v", h.Count(), other.Count(), err)
		}
	})
}

func TestPercentilesNeedSamples(t *testing.T) {
	for _, row := range []struct {
		name           string
		n              int
		p50, p99, p999 bool
	}{
		{name: "nothing", n: 0, p50: false, p99: false, p999: false},
		{name: "19 carry no median", n: 19, p50: false, p99: false, p999: false},
		{name: "20 carry a median", n: 20, p50: true, p99: false, p999: false},
		{name: "999 carry no p99", n: 999, p50: true, p99: false, p999: false},
		{name: "1000 carry a p99", n: 1000, p50: true, p99: true, p999: false},
		{name: "9999 carry no p99.9", n: 9999, p50: true, p99: true, p999: false},
		{name: "10000 carry a p99.9", n: 10_000, p50: true, p99: true, p999: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var h Histogram
			for range row.n {
				h.Record(5 * time.Millisecond)
			}
			p := h.Percentiles()
			if (p.P50 != nil) != row.p50 || (p.P99 != nil) != row.p99 || (p.P999 != nil) != row.p999 {
				t.Errorf("p50 %v, p99 %v, p999 %v", p.P50 != nil, p.P99 != nil, p.P999 != nil)
			}
			if (p.Max != nil) != (row.n > 0) || (p.Mean != nil) != (row.n > 0) {
				t.Errorf("max %v, mean %v", p.Max != nil, p.Mean != nil)
			}
			if p.P99 != nil && (*p.P99 < 4.99 || *p.P99 > 5.01) {
				t.Errorf("p99 is %v ms, want 5", *p.P99)
			}
		})
	}
	for q, want := range map[float64]uint64{0.5: 20, 0.99: 1000, 0.999: 10_000} {
		if got := Wanted(q); got != want {
			t.Errorf("quantile %v wants %d samples, not %d", q, got, want)
		}
	}
}

func TestCurveEndsWhereSamplesDo(t *testing.T) {
	var h Histogram
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	c := h.Curve()
	last := c[len(c)-1]
	if last.Percentile != 99 || !near(time.Duration(last.MS*1e6), 990*time.Millisecond, 0.002) {
		t.Errorf("the curve ends at %+v, want p99 of 990 ms", last)
	}
	if !slices.IsSortedFunc(c, func(a, b Point) int { return int(a.MS*1000) - int(b.MS*1000) }) {
		t.Error("the curve goes down")
	}
}
