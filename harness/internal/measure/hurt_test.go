package measure

import (
	"testing"
	"time"
)

func TestHurt(t *testing.T) {
	const ms = time.Millisecond
	slow := 100 * ms
	probe := func(at time.Duration, ok bool, took time.Duration) Probe {
		return Probe{At: at * ms, OK: ok, Latency: took * ms}
	}
	for _, c := range []struct {
		name   string
		probes []Probe
		want   time.Duration
	}{
		{name: "nothing was hurt", probes: []Probe{probe(0, true, 5), probe(1100, true, 5), probe(1200, true, 5)}, want: 0},
		{name: "before the fault does not count", probes: []Probe{probe(900, false, 5), probe(1100, true, 5)}, want: 0},
		{name: "slow is hurt as failed is", probes: []Probe{probe(1100, true, 400), probe(1300, false, 5), probe(1400, true, 5)}, want: 300 * ms},
		{name: "a second without ends it", probes: []Probe{probe(1100, false, 5), probe(2200, false, 5)}, want: 100 * ms},
		{name: "the first may be late by a second", probes: []Probe{probe(2000, false, 5), probe(2900, false, 5)}, want: 1900 * ms},
	} {
		if got := Hurt(c.probes, 1000*ms, slow); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
