package measure

import (
	"fmt"
	"math"
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
	Saw     string  `json:"saw"`
	Limit   string  `json:"limit"`
	Verdict Verdict `json:"verdict"`
}

// Reason is the check in one line: what was seen, the limit and, where it is
// missed, what to do.
func (c Check) Reason() string {
	s := fmt.Sprintf("%s: %s, want %s", c.Name, c.Saw, c.Limit)
	if todo := c.Remedy(); todo != "" && (c.Verdict == Invalid || c.Verdict == Warning) {
		s += ": " + todo
	}
	return s
}

// Facts are what is known of one attack. A nil or zero fact is unknown, and the
// checks that need it say so rather than pass.
type Facts struct {
	Open bool // open model, else closed
	// OnlyAvailability says that answers are counted and latencies are not
	// compared: a send lag that spoils a percentile is worth a warning then.
	OnlyAvailability bool

	Offered  float64 // open: requests a second that were asked for
	Achieved float64 // requests a second that were sent
	Samples  uint64  // successes, from which percentiles come

	LagP99MS     *float64 // open: of actual minus due send time
	LatencyP99MS *float64 // open: corrected

	PeakWorkers int // open: most requests in flight
	WorkerCap   int
	FDLimit     int // of the worker's process

	WorkerCPU  *float64 // share of its cores that the generator used, 0 to 1
	CeilingQPS *float64 // null server's rate in the same lab and run

	Connections int     // closed
	InFlight    float64 // closed: throughput x mean latency

	Requests       uint64  // all that were counted
	Failed         uint64  // of Requests
	Refused        uint64  // of Failed, by a limit that the origin is stated to have
	ErrorBudget    float64 // share of Requests that may fail, as the scenario declares
	Broken         bool    // faults were at work: failures are what is measured
	Mismatches     uint64  // answers with wrong content
	Hashed         uint64  // answers whose body was checked
	OriginExpected *uint64 // requests that must have reached the origin
	OriginCounted  *uint64 // requests the origin itself counted

	Trends   []Trend // per-second series that must be flat
	Extended bool    // they were not at first, and the attack was made again

	ConnectionsOpened uint64 // in the measured window
	MayReconnect      bool   // the scenario breaks or forbids connections: reuse is not asked
	PortsExhausted    uint64 // EADDRNOTAVAIL
	TimeWait          *int   // sockets in TIME-WAIT on the worker's side

	Steal    *float64 // share of CPU time that the hypervisor took, 0 to 1
	Pressure *float64 // share of time in which something waited for CPU (PSI some), 0 to 1
	AASpread *float64 // coefficient of variation between like rounds, 0 to 1

	StateReset *bool    // database and Redis were seen to be empty before the first attack
	Warm       string   // why what earlier attacks left is there by design; empty: it is not
	Shortcuts  []string // settings that buy speed with durability
}

// Errors names the check of how many requests failed.
const Errors = "errors"

// SendLag is the name of the check that requests left when they were due.
const SendLag = "send lag"

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

// Run makes every check.
func Run(f Facts) []Check {
	return []Check{
		f.rateKept(), f.sendLag(), f.workers(), f.generatorCPU(), f.ceiling(), f.little(),
		f.errors(), f.content(), f.origin(), f.samples(), f.steady(), f.connections(), f.host(), f.state(), f.durability(),
	}
}

// Reasons lists the checks of a verdict as one line each.
func Reasons(checks []Check, v Verdict) []string {
	out := []string{}
	for _, c := range checks {
		if c.Verdict == v {
			out = append(out, c.Reason())
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
	closedLoop = "closed loop: does not apply"
	openLoop   = "open loop: does not apply"
	unknown    = "not known"
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
		return judge(name, "p99 at most 500 ms, where answers are counted", true, Invalid, "p99 %.3g ms", *f.LagP99MS)
	case f.OnlyAvailability:
		return judge(name, limit+" for latencies to be the target's alone; what counts here are answers", late, Warning, "p99 %.3g ms", *f.LagP99MS)
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
	r := *f.CeilingQPS / f.Achieved
	return judge(name, limit, r < minCeiling, Invalid, "%.1fx (%.0f/s against %.0f/s)", r, *f.CeilingQPS, f.Achieved)
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
	return judge(name, limit, math.Abs(off) > maxLittle, Invalid, "%.1f in flight by the law, %d connections (%+.1f%%)", f.InFlight, f.Connections, off*100)
}

// errors makes a figure invalid where more failed than the scenario allows: what
// is fast because it fails is no throughput, and what fails is in no latency. An
// origin that keeps to its stated limit is no fault of what is measured, and
// where faults are at work failures are the subject.
func (f Facts) errors() Check {
	limit := fmt.Sprintf("at most %.3g%%", f.ErrorBudget*100)
	const name = Errors
	if f.Requests == 0 {
		return judge(name, limit, true, Invalid, "no request at all")
	}
	failed := f.Failed - min(f.Refused, f.Failed)
	saw := fmt.Sprintf("%.3g%% (%d of %d)", float64(failed)/float64(f.Requests)*100, failed, f.Requests)
	if f.Refused > 0 {
		saw += fmt.Sprintf(", beside %d that the origin's own limit refused", f.Refused)
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
		return skip(name, limit, "no request at all")
	}
	if f.Mismatches == 0 && f.Hashed == 0 {
		return judge(name, limit, true, Warning, "no body was checked")
	}
	return judge(name, limit, f.Mismatches > 0, Invalid, "%d mismatches, %d bodies checked", f.Mismatches, f.Hashed)
}

func (f Facts) origin() Check {
	const name, limit = "origin's own count", "within 1% of what the worker saw pass the cache"
	if f.OriginExpected == nil || f.OriginCounted == nil {
		return skip(name, limit, unknown)
	}
	want, got := float64(*f.OriginExpected), float64(*f.OriginCounted)
	// A handful is in flight at the window's ends whatever happens.
	slack := max(want*maxOriginDiff, 5)
	return judge(name, limit, math.Abs(got-want) > slack, Invalid, "%d at the origin, %d expected", *f.OriginCounted, *f.OriginExpected)
}
