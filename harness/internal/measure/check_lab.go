package measure

import (
	"fmt"
	"math"
	"strings"
)

// Checks of how an attack went and what it went through: samples, steadiness,
// connections, host and state.

func (f Facts) samples() Check {
	const name, limit = "enough samples", "1000 for p99, 10000 for p99.9"
	short := f.Samples < minP99Samples
	saw := fmt.Sprintf("%d successes", f.Samples)
	if short && f.Open && f.Offered > 0 {
		saw += fmt.Sprintf(", too few for a p99: at %.4g/s, it needs a duration of %.0f s", f.Offered, math.Ceil(minP99Samples/f.Offered))
	}
	return judge(name, limit, short, Warning, "%s", saw)
}

// together is what makes the figures of several workers those of one attack.
func (f Facts) together() Check {
	const name, limit = Together, "none lost, at most 10 ms apart"
	var lost []string
	farthest := f.Workers[0]
	for _, w := range f.Workers {
		if w.Lost != "" {
			lost = append(lost, w.Name+" "+w.Lost)
		} else if w.Apart() > farthest.Apart() {
			farthest = w
		}
	}
	if len(lost) > 0 {
		return judge(name, limit, true, Invalid, "%d of %d workers: %s", len(lost), len(f.Workers), strings.Join(lost, "; "))
	}
	saw := fmt.Sprintf("%d workers, at most %.3g ms apart (%s: began %.3g ms late, clock known to %.3g ms, drift %.3g ms)", len(f.Workers),
		*ms(farthest.Apart()), farthest.Name, *ms(farthest.Late), *ms(farthest.Uncertain), *ms(farthest.Drift))
	return judge(name, limit, farthest.Apart() > maxApart, Invalid, "%s", saw)
}

func (f Facts) steady() Check {
	const name, limit = "steady state", "change over the window below 10%, or not distinguishable from noise"
	switch {
	case f.Peak > 0 && len(f.Trends) == 0:
		return skip(name, limit, "the rate changes on purpose")
	case len(f.Trends) == 0:
		return skip(name, limit, unknown)
	}
	var said []string
	verdict := Skipped
	for _, t := range f.Trends {
		change, flat, ok := t.Flat()
		if !ok {
			said = append(said, t.Name+" too short")
			continue
		}
		if !flat {
			verdict = Warning
		} else if verdict == Skipped {
			verdict = OK
		}
		said = append(said, fmt.Sprintf("%s %+.1f%%", t.Name, change*100))
	}
	if f.Extended {
		said = append(said, "after one extension")
	}
	return Check{Name: name, Limit: limit, Verdict: verdict, Saw: strings.Join(said, ", ")}
}

func (f Facts) connections() Check {
	const name, limit = "connections", "99% of requests on a reused one, no port exhausted"
	if f.Requests == 0 {
		return skip(name, limit, "no requests")
	}
	reuse := 1 - min(float64(f.ConnectionsOpened)/float64(f.Requests), 1)
	saw := fmt.Sprintf("%.2f%% reused (%d opened), EADDRNOTAVAIL %d", reuse*100, f.ConnectionsOpened, f.PortsExhausted)
	if f.TimeWait != nil {
		saw += fmt.Sprintf(", TIME-WAIT %d", *f.TimeWait)
	}
	bad := f.PortsExhausted > 0 || (reuse < minReuse && !f.MayReconnect)
	return judge(name, limit, bad, Invalid, "%s", saw)
}

func (f Facts) host() Check {
	const name, limit = "host", "steal at most 2%, CPU pressure at most 40%, spread between rounds at most 20%"
	var said []string
	bad := false
	for _, x := range []struct {
		what string
		v    *float64
		most float64
	}{{"steal", f.Steal, maxSteal}, {"pressure", f.Pressure, maxPressure}, {"spread", f.AASpread, maxSpread}} {
		if x.v != nil {
			said = append(said, fmt.Sprintf("%s %.1f%%", x.what, *x.v*100))
			// A closed loop presses as hard as it can: its pressure is its own.
			bad = bad || *x.v > x.most && (f.Open || x.v != f.Pressure)
		}
	}
	if len(said) == 0 {
		return skip(name, limit, unknown)
	}
	return judge(name, limit, bad, Warning, "%s", strings.Join(said, ", "))
}

func (f Facts) state() Check {
	const name, limit = "state", "database and Redis empty at the start"
	switch {
	case f.StateReset == nil:
		return skip(name, limit, unknown)
	case !*f.StateReset:
		return judge(name, limit, true, Invalid, "not empty")
	case f.Warm != "":
		return skip(name, limit, f.Warm)
	}
	return judge(name, limit, false, Invalid, "reset")
}

// durability never fails: what buys speed must be seen, not forbidden.
func (f Facts) durability() Check {
	const name, limit = "durability", "printed"
	if len(f.Shortcuts) == 0 {
		return judge(name, limit, false, OK, "no setting trades durability for speed")
	}
	return judge(name, limit, false, OK, "settings that trade durability for speed: %s", strings.Join(f.Shortcuts, ", "))
}
