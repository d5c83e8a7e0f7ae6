package measure

import (
	"fmt"
	"math"
	"time"
)

// Verdict of a check.
type Verdict string

// Verdicts.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning"
	Invalid Verdict = "invalid" // the figure must not be used
	Skipped Verdict = "n/a"     // there was nothing to check with
)

// Check is one check of what would make a figure untrue.
type Check struct {
	Name    string  `json:"name"`
	Attack  string  `json:"attack,omitempty"` // load model, and the round where there are several
	Saw     string  `json:"saw"`
	Limit   string  `json:"limit"`
	Verdict Verdict `json:"verdict" jsonschema:"enum=ok,enum=warning,enum=invalid,enum=n/a"`
	Remedy  string  `json:"remedy,omitempty"` // what to do, where the verdict is warning or invalid
}

// String is the check in one line, with its remedy where there is one: "rate kept
// (open): 96.1%, want at least 99%: lower the rate".
func (c Check) String() string {
	s := c.Name
	if c.Attack != "" {
		s += " (" + c.Attack + ")"
	}
	s += ": " + c.Saw
	if c.Limit != "" {
		s += ", want " + c.Limit
	}
	if c.Remedy != "" {
		s += ": " + c.Remedy
	}
	return s
}

// Errors names the check of how many requests failed.
const Errors = "errors"

// SendLag is the name of the check that requests left when they were due.
const SendLag = "send lag"

// Together is the name of the check that several workers were there all the time, and at the same time.
const Together = "workers together"

// maxApart is how far apart several workers may begin and end, as far as their clocks tell: little beside a second of the series.
const maxApart = 10 * time.Millisecond

// Limits of the checks.
const (
	minRateKept   = 0.99
	maxWorkerCPU  = 0.70
	minCeiling    = 2.0
	maxLittle     = 0.10
	minReuse      = 0.99
	maxSteal      = 0.02
	maxPressure   = 0.40
	maxSpread     = 0.20
	maxOriginDiff = 0.01
	minP99Samples = 1000
	minLagMS      = 1.0
	lagOfP99      = 0.10
	// maxProbeLagMS is far below the time-out by which an experiment tells good
	// from bad.
	maxProbeLagMS = 500.0
	// fdReserve is what a process needs beside the sockets of its requests.
	fdReserve = 64
)

// Run makes every check. One that is not OK says what to do in its Remedy.
func Run(f Facts) []Check {
	checks := []Check{
		f.rateKept(), f.sendLag(), f.workers(), f.generatorCPU(), f.ceiling(), f.little(),
		f.errors(), f.content(), f.origin(), f.samples(), f.steady(), f.connections(), f.host(), f.memory(),
		f.state(), f.durability(),
	}
	if len(f.Workers) > 1 {
		checks = append(checks, f.together())
	}
	for i := range checks {
		if v := checks[i].Verdict; v == Invalid || v == Warning {
			checks[i].Remedy = Remedy(checks[i].Name)
		}
	}
	return checks
}

// Reasons lists the checks of a verdict as one line each.
func Reasons(checks []Check, v Verdict) []string {
	out := []string{}
	for _, c := range checks {
		if c.Verdict == v {
			out = append(out, c.String())
		}
	}
	return out
}

// Valid tells whether no check says otherwise.
func Valid(checks []Check) bool {
	for _, c := range checks {
		if c.Verdict == Invalid {
			return false
		}
	}
	return true
}

// judge is a check whose verdict is OK or, where bad, another.
func judge(name, limit string, bad bool, v Verdict, format string, args ...any) Check {
	if !bad {
		v = OK
	}
	return Check{Name: name, Limit: limit, Verdict: v, Saw: fmt.Sprintf(format, args...)}
}

func skip(name, limit, why string) Check {
	return Check{Name: name, Limit: limit, Verdict: Skipped, Saw: why}
}

const (
	closedLoop = "does not apply to a closed loop"
	openLoop   = "does not apply to an open loop"
	unknown    = "unknown"
)

func (f Facts) rateKept() Check {
	const name, limit = "rate kept", "at least 99% of the offered rate"
	switch {
	case !f.Open:
		return skip(name, limit, closedLoop)
	case f.Offered <= 0:
		return skip(name, limit, unknown)
	}
	r := f.Achieved / f.Offered
	if least := f.LeastKept; least.Segment != "" {
		return judge(name, limit+", in every segment", min(r, least.Share) < minRateKept, Invalid, "%.1f%% (%.0f of %.0f/s), %.1f%% in %s",
			r*100, f.Achieved, f.Offered, least.Share*100, least.Segment)
	}
	return judge(name, limit, r < minRateKept, Invalid, "%.1f%% (%.0f of %.0f/s)", r*100, f.Achieved, f.Offered)
}

func (f Facts) sendLag() Check {
	const name = SendLag
	limit := "p99 at most max(1 ms, 10% of the latency's p99)"
	switch {
	case !f.Open:
		return skip(name, limit, closedLoop)
	case f.LagP99MS == nil:
		return skip(name, limit, "too few samples")
	}
	most := minLagMS
	if f.LatencyP99MS != nil {
		most = max(most, lagOfP99**f.LatencyP99MS)
	}
	late := *f.LagP99MS > most
	limit = fmt.Sprintf("p99 at most %.3g ms", most)
	switch {
	case f.OnlyAvailability && *f.LagP99MS > maxProbeLagMS:
		return judge(name, "p99 at most 500 ms, because only responses are counted", true, Invalid, "p99 %.3g ms", *f.LagP99MS)
	case f.OnlyAvailability:
		limit += ", so that latency includes no delay of the load generator; availability is not affected"
		return judge(name, limit, late, Warning, "p99 %.3g ms", *f.LagP99MS)
	}
	return judge(name, limit, late, Invalid, "p99 %.3g ms", *f.LagP99MS)
}

func (f Facts) workers() Check {
	const name, limit = "workers", "below the cap and the file descriptors"
	switch {
	case !f.Open:
		return skip(name, limit, closedLoop)
	case f.WorkerCap <= 0:
		return skip(name, limit, unknown)
	}
	most := f.WorkerCap
	if f.FDLimit > fdReserve && f.FDLimit-fdReserve < most {
		most = f.FDLimit - fdReserve
	}
	return judge(name, limit, f.PeakWorkers >= most, Invalid, "%d of %d (%d file descriptors)", f.PeakWorkers, f.WorkerCap, f.FDLimit)
}

func (f Facts) generatorCPU() Check {
	const name, limit = "generator's CPU", "at most 70% of its cores"
	if f.WorkerCPU == nil {
		return skip(name, limit, unknown)
	}
	return judge(name, limit, *f.WorkerCPU > maxWorkerCPU, Invalid, "%.0f%%", *f.WorkerCPU*100)
}

func (f Facts) ceiling() Check {
	const name, limit = "generator's ceiling", "null server at least 2x the rate"
	if f.CeilingQPS == nil || f.Achieved <= 0 {
		return skip(name, limit, unknown)
	}
	most := max(f.Achieved, f.Peak)
	r := *f.CeilingQPS / most
	return judge(name, limit, r < minCeiling, Invalid, "%.1fx (%.0f/s against %.0f/s)", r, *f.CeilingQPS, most)
}

func (f Facts) little() Check {
	const name, limit = "Little's law", "throughput x mean latency within 10% of the connections"
	switch {
	case f.Open:
		return skip(name, limit, openLoop)
	case f.Connections <= 0 || f.InFlight <= 0:
		return skip(name, limit, unknown)
	}
	off := f.InFlight/float64(f.Connections) - 1
	return judge(name, limit, math.Abs(off) > maxLittle, Invalid, "%.1f in flight by the law, %d connections (%+.1f%%)", f.InFlight,
		f.Connections, off*100)
}

// errors makes a figure invalid where more failed than the scenario allows: what
// is fast because it fails is no throughput, and what fails is in no latency. An
// origin that keeps to its stated limit is no fault of what is measured, and
// where faults are at work failures are the subject.
func (f Facts) errors() Check {
	limit := fmt.Sprintf("at most %.3g%%", f.ErrorBudget*100)
	const name = Errors
	if f.Requests == 0 {
		return judge(name, limit, true, Invalid, "no requests")
	}
	failed := f.Failed - min(f.Refused, f.Failed)
	saw := fmt.Sprintf("%.3g%% (%d of %d)", float64(failed)/float64(f.Requests)*100, failed, f.Requests)
	if f.Refused > 0 {
		saw += fmt.Sprintf(", in addition to %d that the limit of the origin rejected", f.Refused)
	}
	verdict := Invalid
	if f.Broken {
		verdict = Warning
	}
	return judge(name, limit, float64(failed) > f.ErrorBudget*float64(f.Requests), verdict, "%s", saw)
}

func (f Facts) content() Check {
	const name, limit = "right content", "no mismatch, some bodies checked"
	if f.Requests == 0 {
		return skip(name, limit, "no requests")
	}
	if f.Mismatches == 0 && f.Hashed == 0 {
		return judge(name, limit, true, Warning, "no body was checked")
	}
	return judge(name, limit, f.Mismatches > 0, Invalid, "%d mismatches, %d bodies checked", f.Mismatches, f.Hashed)
}

func (f Facts) origin() Check {
	const name, limit = "origin's own count", "within 1% of the requests that passed the cache, as counted by the worker"
	if f.OriginExpected == nil || f.OriginCounted == nil {
		return skip(name, limit, unknown)
	}
	want, got := float64(*f.OriginExpected), float64(*f.OriginCounted)
	// A handful is in flight at the window's ends whatever happens.
	slack := max(want*maxOriginDiff, 5)
	return judge(name, limit, math.Abs(got-want) > slack, Invalid, "%d at the origin, %d expected", *f.OriginCounted, *f.OriginExpected)
}
