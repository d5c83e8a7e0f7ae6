package assess

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/readings"
)

// What spoils an attack. None of it looks at what the attack measured: an attack is never repeated because its figures are bad.
const (
	stallOf    = 300 * time.Millisecond // one beat of the heartbeat was late by that much
	lostShare  = 0.05                   // of the window, in late beats
	stealShare = 0.05                   // of all cores, by the hypervisor
	otherShare = 0.15                   // of all cores, by processes that are no node of the lab
)

// Spoiled says by what the machine spoiled an attack; empty: by nothing.
func (a *Recording) Spoiled() string {
	if p := a.Pulse; p.Longest >= stallOf {
		return fmt.Sprintf("the machine stalled for %s", p.Longest.Round(10*time.Millisecond))
	} else if w := a.Result.Window(); w > 0 && p.Lost.Seconds() > lostShare*w.Seconds() {
		return fmt.Sprintf("the machine stalled for %.1f%% of the time", 100*p.Lost.Seconds()/w.Seconds())
	}
	n := len(a.Readings)
	if n < 2 {
		return ""
	}
	first, last := a.Readings[0], a.Readings[n-1]
	if steal := first.Steal(last.Machine); steal != nil && *steal > stealShare {
		return fmt.Sprintf("the hypervisor took %.0f%% of the CPU time", 100**steal)
	}
	if others := othersOf(a.Readings); others != nil && *others > otherShare {
		return fmt.Sprintf("other processes used %.0f%% of the cores", 100**others)
	}
	return ""
}

// othersOf is the share of all cores that was busy and not with the lab's nodes, 0 to 1; nil if unknown, as where a node died meanwhile.
func othersOf(r []readings.Reading) *float64 {
	first, last := r[0], r[len(r)-1]
	busy := first.Busy(last.Machine)
	window := last.At.Sub(first.At).Seconds()
	if busy == nil || window <= 0 {
		return nil
	}
	var ours float64
	for _, use := range readings.Spent(r) {
		if !use.Known {
			return nil
		}
		ours += use.CPUSeconds
	}
	return new(max(0, *busy-ours/window/float64(readings.Cores())))
}

// repeats tell a reader which attacks were made again, and which one the machine spoiled all the same.
func repeats(a *Recording) []string {
	name := fmt.Sprintf("%s%s, round %d", a.Result.Attack.Model, dashed(a.Label), a.Round)
	var out []string
	if n := len(a.Spoilt); n > 0 {
		out = append(out, fmt.Sprintf("%s: repeated %d time(s): %s", name, n, strings.Join(a.Spoilt, "; ")))
	}
	if why := a.Spoiled(); why != "" {
		out = append(out, fmt.Sprintf("%s: %s during the attack that counts", name, why))
	}
	return out
}
