package runner

import (
	"slices"
	"time"

	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/measure"
	"gatelab/harness/internal/report"
)

// outageGap is the longest time between two bad probes of one outage.
const outageGap = time.Second

// goodInARow is how many good probes make a recovery: a single one may be luck.
const goodInARow = 3

// forever is later than any probe.
var forever = time.Unix(1<<40, 0)

// probesOf are a result's in the words of package measure, in [from, to).
func probesOf(res *load.Result, from, to time.Time) []measure.Probe {
	if res == nil {
		return nil
	}
	var out []measure.Probe
	for _, p := range res.Probes {
		at := res.Began.Add(p.Offset)
		if !at.Before(from) && at.Before(to) {
			out = append(out, measure.Probe{At: p.Offset, OK: p.OK, Node: p.Node, Latency: p.Latency})
		}
	}
	return out
}

func availability(probes []measure.Probe) report.Availability {
	var failed uint64
	for _, p := range probes {
		if !p.OK {
			failed++
		}
	}
	a, _ := measure.Available(failed, uint64(len(probes)))
	return report.Availability{Probes: a.Probes, Failed: a.Failed, Availability: a.Share, Low: a.Low, High: a.High}
}

// hurtFor is how long after a fault probes of a result were hurt by it, in ms.
// Where none was, nobody can tell when it was detected: nil.
func hurtFor(res *load.Result, probes []measure.Probe, injected time.Time) *float64 {
	if injected.IsZero() {
		return nil
	}
	d := measure.Hurt(probes, injected.Sub(res.Began), slow(res, injected))
	if d == 0 {
		return nil
	}
	return ptr(inMS(d))
}

// slow is the latency from which a probe counts as hurt: three times what
// nearly all took before the fault, and well above what a scheduler does.
func slow(res *load.Result, before time.Time) time.Duration {
	var took []time.Duration
	for _, p := range probesOf(res, time.Time{}, before) {
		if p.OK {
			took = append(took, p.Latency)
		}
	}
	if len(took) == 0 {
		return time.Second
	}
	slices.Sort(took)
	return max(3*took[len(took)*99/100], 200*time.Millisecond)
}

// usedAgain is how long after mending began a replica answered again, and went
// on answering, in ms. Nil for what does not answer probes itself, and where it
// was not seen to.
func usedAgain(res *load.Result, target string, mended time.Time) *float64 {
	if roleOf(target) != lab.RoleGateway || target == lab.RoleGateway || mended.IsZero() {
		return nil
	}
	back := mended.Sub(res.Began)
	probes := probesOf(res, mended, mended.Add(time.Minute))
	at, ok := measure.UsedAgain(probes, target, back, goodInARow)
	if !ok {
		return nil
	}
	return ptr(inMS(at - back))
}
