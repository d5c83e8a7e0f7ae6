package assess

import (
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// Faults are the stage's faults with what the probes saw of them.
func (m *Measurement) Faults() (out []result.Fault) {
	for _, a := range m.Open {
		for _, e := range a.Events {
			f := result.Fault{Name: e.Kind, Target: e.Target, Stage: m.Stage.Name, Round: a.Round, InjectedAt: e.InjectedAt}
			if !e.EffectObservedAt.IsZero() {
				f.EffectObservedAt = new(e.EffectObservedAt)
			}
			if !e.RecoveredAt.IsZero() {
				f.RecoveredAt = new(e.RecoveredAt)
			}
			f.RequestsFailed = new(a.Result.Failed)
			f.IdempotentFailed = new(IdempotentFailed(m.Stage, a.Result))
			outage(&f, a, e.InjectedAt, e.RecoverAt)
			out = append(out, f)
		}
	}
	return out
}

// idempotentFailed counts failures of requests that a balancer may send again.
func IdempotentFailed(s *scenario.Stage, res *load.Result) (n uint64) {
	for _, q := range s.Workload.Requests {
		if q.Method == "" || q.Method == "GET" || q.Method == "HEAD" {
			n += res.ByRequest[q.Name].Failed
		}
	}
	return n
}

// outage reads availability, detection and recovery from the probes.
func outage(f *result.Fault, a *Recording, injected, repaired time.Time) {
	probes := ProbesOf(a.Probes, time.Time{}, Forever)
	if len(probes) == 0 {
		return
	}
	av := Availability(probes)
	f.Probes, f.Failed = &av.Probes, &av.Failed
	f.Availability = &av.Availability
	f.AvailabilityLow, f.AvailabilityHigh = &av.Low, &av.High
	f.ResolutionMS = new(InMS(measure.Resolution(probes)))
	var outage time.Duration
	for _, o := range measure.Outages(probes, OutageGap) {
		outage += o.Length()
	}
	f.OutageMS = new(InMS(outage))
	f.ImpactMS = ImpactFor(a.Probes, probes, injected)
	f.TimeToRecoverMS = UsedAgain(a.Probes, f.Target, repaired)
}

// OutageGap is the longest time between two bad probes of one outage.
const OutageGap = time.Second

// goodInARow is how many good probes make a recovery: a single one may be luck.
const goodInARow = 3

// Forever is later than any probe.
var Forever = time.Unix(1<<40, 0)

// ProbesOf are a result's in the words of package measure, in [from, to).
func ProbesOf(res *load.Result, from, to time.Time) []measure.Probe {
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

// Availability is the share of good probes, with its interval.
func Availability(probes []measure.Probe) result.Availability {
	var failed uint64
	for _, p := range probes {
		if !p.OK {
			failed++
		}
	}
	a, _ := measure.Available(failed, uint64(len(probes)))
	return result.Availability{Probes: a.Probes, Failed: a.Failed, Availability: a.Share, Low: a.Low, High: a.High}
}

// ImpactFor is how long after a fault probes of a result failed or were slow, in ms.
// nil: none did.
func ImpactFor(res *load.Result, probes []measure.Probe, injected time.Time) *float64 {
	if injected.IsZero() {
		return nil
	}
	d := measure.Hurt(probes, injected.Sub(res.Began), slow(res, injected))
	if d == 0 {
		return nil
	}
	return new(InMS(d))
}

// slow is the latency from which a probe counts as slow: three times what
// nearly all took before the fault, and well above what a scheduler does.
func slow(res *load.Result, before time.Time) time.Duration {
	var took []time.Duration
	for _, p := range ProbesOf(res, time.Time{}, before) {
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

// UsedAgain is how long after the repair began a replica answered again, and went
// on answering, in ms. Nil for what does not answer probes itself, and where it
// was not seen to.
func UsedAgain(res *load.Result, target string, repaired time.Time) *float64 {
	if lab.RoleOf(target) != topology.RoleGateway || target == topology.RoleGateway || repaired.IsZero() {
		return nil
	}
	back := repaired.Sub(res.Began)
	probes := ProbesOf(res, repaired, repaired.Add(time.Minute))
	at, ok := measure.UsedAgain(probes, target, back, goodInARow)
	if !ok {
		return nil
	}
	ms := InMS(at - back)
	return &ms
}
