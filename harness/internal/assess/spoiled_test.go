package assess

import (
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/readings"
)

// recorded is an attack of ten seconds on a machine whose cores were busy for so many seconds, stolen for so many, while the lab's one node
// used so many.
func recorded(busy, stolen, ours float64) *Recording {
	began := time.Unix(1000, 0)
	all := 10 * float64(readings.Cores())
	reading := func(at time.Time, share float64) readings.Reading {
		return readings.Reading{
			At:      at,
			Usage:   map[string]lab.Usage{"gateway-1": {CPUSeconds: ours * share}},
			Machine: readings.Machine{CPU: &readings.CPUTimes{All: all * share, Busy: busy * share, Stolen: stolen * share}},
		}
	}
	return &Recording{
		Result:   &load.Result{Attack: load.Attack{Model: load.Open}, Began: began, Ended: began.Add(10 * time.Second)},
		Readings: []readings.Reading{reading(began, 0), reading(began.Add(10*time.Second), 1)},
	}
}

func TestOnlyTheMachineSpoilsAnAttack(t *testing.T) {
	cores := float64(readings.Cores())
	for _, row := range []struct {
		name  string
		of    *Recording
		pulse readings.Pulse
		want  string
	}{
		{name: "a quiet machine", of: recorded(8*cores, 0, 8*cores)},
		{name: "a lab that uses every core", of: recorded(10*cores, 0, 10*cores), pulse: readings.Pulse{Longest: 100 * time.Millisecond}},
		{
			name: "a stall", of: recorded(8*cores, 0, 8*cores), pulse: readings.Pulse{Longest: 1500 * time.Millisecond},
			want: "the machine stalled for 1.5s",
		},
		{
			name: "many short stalls", of: recorded(8*cores, 0, 8*cores),
			pulse: readings.Pulse{Longest: 200 * time.Millisecond, Lost: 600 * time.Millisecond}, want: "6.0% of the time",
		},
		{name: "a hypervisor that takes", of: recorded(8*cores, cores, 8*cores), want: "the hypervisor took 10%"},
		{name: "other processes", of: recorded(8*cores, 0, 5.5*cores), want: "other processes used 25% of the cores"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.of.Pulse = row.pulse
			why := row.of.Spoiled()
			if row.want == "" && why != "" || !strings.Contains(why, row.want) {
				t.Errorf("spoiled by %q, want %q", why, row.want)
			}
			// Bad figures alone spoil nothing.
			row.of.Result.Failed, row.of.Result.Requests = 100, 100
			if again := row.of.Spoiled(); again != why {
				t.Errorf("with failures: %q, without %q", again, why)
			}
		})
	}
}
