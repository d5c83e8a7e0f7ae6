package measure

import (
	"slices"
	"time"
)

// Probe is one question whether the service is there, by the time at which it
// was due.
type Probe struct {
	At   time.Duration
	OK   bool
	Node string // who answered, where known

	Latency time.Duration // from the time at which it was due
}

// Outage is a time in which probes failed: from the first bad one to the last,
// both included.
type Outage struct {
	From, To time.Duration
	Failed   int
}

// Length is how long the outage lasted. A single bad probe lasts 0: the probes'
// Resolution says how much that may have been.
func (o Outage) Length() time.Duration { return o.To - o.From }

// Outages finds the outages in probes in order of time. Bad probes no further
// apart than gap belong to one outage.
func Outages(probes []Probe, gap time.Duration) []Outage {
	var out []Outage
	for _, p := range probes {
		if p.OK {
			continue
		}
		if n := len(out); n > 0 && p.At-out[n-1].To <= gap {
			out[n-1].To = p.At
			out[n-1].Failed++
			continue
		}
		out = append(out, Outage{From: p.At, To: p.At, Failed: 1})
	}
	return out
}

// Recovered is the time of the first of k good probes in a row at or after
// from. ok is false where there are none.
func Recovered(probes []Probe, from time.Duration, k int) (at time.Duration, ok bool) {
	run := 0
	for _, p := range probes {
		switch {
		case p.At < from:
		case !p.OK:
			run = 0
		default:
			if run == 0 {
				at = p.At
			}
			if run++; run >= k {
				return at, true
			}
		}
	}
	return 0, false
}

// UsedAgain is the time of the first of k answers of a node in a row at or after
// from. A probe that fails ends the row, whichever node it was sent to; answers of
// other nodes do not. ok is false where there is no such row.
func UsedAgain(probes []Probe, node string, from time.Duration, k int) (at time.Duration, ok bool) {
	own := slices.DeleteFunc(slices.Clone(probes), func(p Probe) bool { return p.OK && p.Node != node })
	return Recovered(own, from, k)
}

// Hurt is how long after from probes were still hurt without a pause: failed, or
// slower than slow. It ends with the last one before a second in which none
// was; 0 is that none was hurt at all, as far as the probes' Resolution tells.
func Hurt(probes []Probe, from, slow time.Duration) time.Duration {
	const quiet = time.Second
	last := from
	for _, p := range probes {
		if p.At < from || p.OK && p.Latency < slow {
			continue
		}
		if p.At-last > quiet {
			break
		}
		last = p.At
	}
	return last - from
}

// Resolution is the longest time between two probes in a row: nothing shorter
// can be told.
func Resolution(probes []Probe) time.Duration {
	var most time.Duration
	for i := 1; i < len(probes); i++ {
		most = max(most, probes[i].At-probes[i-1].At)
	}
	return most
}

// ErrorSeconds is the time that users lost: the share of bad probes times the
// time the probes cover.
func ErrorSeconds(probes []Probe) time.Duration {
	if len(probes) < 2 {
		return 0
	}
	bad := 0
	for _, p := range probes {
		if !p.OK {
			bad++
		}
	}
	step := (probes[len(probes)-1].At - probes[0].At) / time.Duration(len(probes)-1)
	return time.Duration(bad) * step
}

// Monthly is what a fault costs in a month of 30 days: the availability, 0 to
// 1, where it happens perMonth times and each time loses lost.
func Monthly(lost time.Duration, perMonth float64) float64 {
	const month = 30 * 24 * time.Hour
	return max(1-perMonth*float64(lost)/float64(month), 0)
}
