package measure

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestCoarseIsWithinItsWord(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 63 * time.Microsecond, 64 * time.Microsecond, 65 * time.Microsecond,
		127 * time.Microsecond, 128 * time.Microsecond,
		999 * time.Microsecond, 12345 * time.Microsecond, time.Second, 59 * time.Second, 67 * time.Second} {
		var c Coarse
		c.Record(d)
		got := c.Quantile(0.5)
		if off := math.Abs(float64(got - d)); off > 0.016*float64(d)+float64(time.Microsecond) {
			t.Errorf("%v became %v", d, got)
		}
	}
	var c, other Coarse
	for i := range 1000 {
		c.Record(time.Duration(i+1) * time.Millisecond)
	}
	c.Record(-time.Second)
	c.Record(time.Hour)
	other.Add(&c)
	other.Add(&Coarse{})
	other.Add(nil)
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := other.Quantile(q); math.Abs(float64(got-want)) > 0.02*float64(want) {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if other.Count() != 1002 || (&Coarse{}).Quantile(0.5) != 0 {
		t.Errorf("%d samples, want 1002; and no quantile of nothing", other.Count())
	}
}

func TestCoarseThroughJSON(t *testing.T) {
	var c, back Coarse
	for i := range 5000 {
		c.Record(time.Duration(i*i) * time.Microsecond)
	}
	b, err := json.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &back); err != nil || back != c {
		t.Errorf("it came back different: %v", err)
	}
	for _, text := range []string{`[1]`, `{}`, `[999999, 1]`, `[1, 4294967296]`, `[-1, 1]`} {
		if err := json.Unmarshal([]byte(text), &back); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
