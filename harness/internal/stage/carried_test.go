package stage

import (
	"testing"

	"github.com/gatelab/gatelab/harness/internal/readings"
)

func TestWhatIsCarriedFollowsFromTheCoresUse(t *testing.T) {
	at := func(all, busy float64) readings.Reading {
		return readings.Reading{Machine: readings.Machine{CPU: &readings.CPUTimes{All: all, Busy: busy}}}
	}
	for _, c := range []struct {
		name string
		all  []readings.Reading
		want float64
	}{
		{name: "half busy at 1000 is full at 2000", all: []readings.Reading{at(0, 0), at(50, 10), at(100, 50)}, want: 2000},
		{name: "never more than the closed loop's", all: []readings.Reading{at(0, 0), at(100, 10)}, want: 4000},
		{name: "idle is not told", all: []readings.Reading{at(0, 0), at(100, 0)}, want: 4000},
		{name: "nothing was read", all: []readings.Reading{{}, {}}, want: 4000},
		{name: "no reading", want: 4000},
	} {
		if got := saturation(4000, 1000, c.all); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
