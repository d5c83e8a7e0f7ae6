package contest

import (
	"fmt"
	"math"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
)

// noP99 says why there is no p99, and which load would give one.
func noP99(all *load.Result, rounds int) string {
	want := measure.Wanted(0.99)
	each := time.Duration(math.Ceil(float64(want)/all.Attack.Rate/float64(max(rounds, 1))*10)) * 100 * time.Millisecond
	return fmt.Sprintf("no p99: it needs %d successes, and there were %d: load.open of %s in each of %d rounds gives them",
		want, all.Successes, each, rounds)
}

// mostInFlight is the share of what the connections carry from which on requests wait for each other.
const mostInFlight = 0.5

// overloaded says that an arm does not carry the rate that was offered to all: its closed loop, which the load generator did not limit,
// does not reach the rate, and the open loop fills the connections; or not all were answered. Empty: it carries it, or the closed loop
// does not tell.
func overloaded(open *load.Result, closed float64, limited bool) string {
	offered, answered := open.Attack.Rate, open.QPS()
	queued := closed < offered && open.InFlight > mostInFlight*float64(open.Attack.AtATime())
	short := answered < 0.98*offered && closed < 1.5*offered
	if limited || closed <= 0 || !queued && !short {
		return ""
	}
	return fmt.Sprintf("it does not carry the %.0f requests/s that were offered: its closed loop reaches %.0f,"+
		" and %.1f requests were in flight of the %d that the connections carry; its p50 and p99 are those of a queue:"+
		" compare at a lower rate (--rate %.0f)",
		offered, closed, open.InFlight, open.Attack.AtATime(), math.Floor(closed*0.7))
}
