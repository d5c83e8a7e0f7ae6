package measure

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Tracing is what is known of the traces of a stage.
type Tracing struct {
	Sample float64 // share of the requests without a trace that the gateways were to trace, 0 to 1

	Traces  uint64            // that were received
	Spans   uint64            // in them
	Whole   uint64            // of Traces, those without a fault
	Faults  map[string]uint64 // traces by fault
	Example string            // of a fault, with the trace's id
	Begun   uint64            // traces that a gateway began

	Requests *uint64 // that the gateways answered and that came without a trace
	Origin   *uint64 // requests that the origins counted
	Traced   *uint64 // of Origin, those with a traceparent

	Dropped uint64 // spans that the collector did not keep
	Refused uint64 // exports that it could not read
	Lost    uint64 // spans that the origins could not send

	Broken bool // faults were at work: what a killed node has not sent is lost
}

// Names of the checks of traces.
const (
	tracesWhole     = "traces whole"
	tracesSampled   = "traces sampled"
	tracesPassedOn  = "trace context at the origin"
	tracesCollected = "spans collected"
)

// CheckTraces checks a stage's traces. One that is not OK says what to do in its Remedy.
func CheckTraces(t Tracing) []Check {
	checks := []Check{t.whole(), t.sampled(), t.passedOn(), t.collected()}
	for i := range checks {
		if v := checks[i].Verdict; v == Invalid || v == Warning {
			checks[i].Remedy = Remedy(checks[i].Name)
		}
	}
	return checks
}

// bad is the verdict on what must not be.
func (t Tracing) bad() Verdict {
	if t.Broken {
		return Warning
	}
	return Invalid
}

func (t Tracing) whole() Check {
	const name, limit = tracesWhole, "one root each, all parents, in time, continued wherever there was a response"
	if t.Traces == 0 {
		return judge(name, limit, true, t.bad(), "no trace at all")
	}
	saw := fmt.Sprintf("%d of %d (%d spans)", t.Whole, t.Traces, t.Spans)
	if len(t.Faults) > 0 {
		var said []string
		most := func(a, b string) int { return cmp.Or(cmp.Compare(t.Faults[b], t.Faults[a]), strings.Compare(a, b)) }
		for _, fault := range slices.SortedFunc(maps.Keys(t.Faults), most) {
			said = append(said, fmt.Sprintf("%d %s", t.Faults[fault], fault))
		}
		saw += ": " + strings.Join(said, ", ") + "; as in " + t.Example
	}
	return judge(name, limit, t.Whole < t.Traces, t.bad(), "%s", saw)
}

// sampled compares the number of traces that gateways began with what chance allows: four standard deviations of a binomial distribution,
// and the requests at both ends of the time. A trace of which every span was lost is seen here alone.
func (t Tracing) sampled() Check {
	const name = tracesSampled
	limit := fmt.Sprintf("%.4g%% of the requests without a trace, but for chance", t.Sample*100)
	if t.Requests == nil || *t.Requests == 0 {
		return skip(name, limit, unknown)
	}
	n := float64(*t.Requests)
	want := n * t.Sample
	slack := 4*math.Sqrt(want*(1-t.Sample)) + 0.001*want + 2
	limit += fmt.Sprintf(": %.0f to %.0f", max(0, math.Ceil(want-slack)), math.Floor(want+slack))
	off := math.Abs(float64(t.Begun)-want) > slack
	return judge(name, limit, off, t.bad(), "%.4g%% (%d of %d)", float64(t.Begun)/n*100, t.Begun, *t.Requests)
}

func (t Tracing) passedOn() Check {
	const name, limit = tracesPassedOn, "a traceparent on every request, sampled or not"
	if t.Origin == nil || t.Traced == nil || *t.Origin == 0 {
		return skip(name, limit, unknown)
	}
	// A handful is in flight at the window's ends whatever happens.
	missing := float64(*t.Origin) - float64(*t.Traced)
	return judge(name, limit, missing > max(float64(*t.Origin)*maxOriginDiff, 5), t.bad(), "on %d of %d", *t.Traced, *t.Origin)
}

func (t Tracing) collected() Check {
	const name, limit = tracesCollected, "none dropped, refused or lost on the way"
	return judge(name, limit, t.Dropped+t.Refused+t.Lost > 0, t.bad(), "%d dropped, %d exports refused, %d lost by the origins",
		t.Dropped, t.Refused, t.Lost)
}
