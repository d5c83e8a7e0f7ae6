package contest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/measure"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// errorBudget is the share of requests that may fail before a cell is not valid.
const errorBudget = 0.001

// conclude writes the cells of the arms that were measured, and their ratios to the first of them, if that is the reference.
func (c *contest) conclude(arms []*arm) {
	for _, a := range arms {
		if a.lost != nil {
			a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{session.OneLine(a.lost)}
			continue
		}
		c.figures(a)
	}
	arms = slices.DeleteFunc(arms, func(a *arm) bool { return a.lost != nil })
	if len(arms) == 0 || arms[0].System.Name != c.matrix.Reference {
		return
	}
	for _, a := range arms[1:] {
		for _, m := range metrics() {
			if r, ok := ratio(m, arms[0], a); ok {
				a.cell.Ratios = append(a.cell.Ratios, r)
			}
		}
	}
}

// figures fills in an arm's cell.
func (c *contest) figures(a *arm) {
	var (
		turns    []*load.Result
		machine  []readings.Reading
		cpu      float64
		memory   uint64
		switches uint64
	)
	for _, r := range a.runs {
		turns, machine = append(turns, r.Results...), append(machine, r.Machine...)
		cpu += r.CPUSeconds
		memory = max(memory, r.MemoryBytes)
		switches += r.Switches
	}
	all, err := load.Merge(turns)
	if err != nil {
		a.cell.Outcome, a.cell.Reasons = result.CellFailed, []string{session.OneLine(err)}
		return
	}
	a.cell.Outcome = result.CellMeasured
	if a.System.Address != "" {
		a.cell.Reasons = []string{"outside the lab: no CPU, memory and restarts, and no closed loop; its latency holds the network's"}
	}
	if all.Sent > 0 && cpu > 0 {
		a.cell.CPUUS = new(cpu / float64(all.Sent) * 1e6)
	}
	if all.Sent > 0 && switches > 0 {
		a.cell.Put(result.FigureSwitches, float64(switches)/float64(all.Sent))
	}
	a.cell.P50MS, a.cell.P99MS = all.Corrected.Percentile(0.5), all.Corrected.Percentile(0.99)
	if a.cell.P99MS == nil {
		a.cell.Reasons = append(a.cell.Reasons, noP99(all, len(a.runs)))
	}
	if memory > 0 {
		a.cell.MemoryMiB = new(float64(memory) / (1 << 20))
	}
	for _, check := range measure.Run(facts(all, machine)) {
		// A machine that stalls hits single turns of all arms, which the pairs and the medians survive.
		if check.Verdict == measure.Invalid && !assess.OfGenerator(check.Name) {
			a.cell.Outcome = result.CellInvalid
			a.cell.Reasons = append(a.cell.Reasons, check.String())
		}
	}
	if p50 := all.FirstEvent.Percentile(0.5); p50 != nil {
		a.cell.Put(result.FigureFirstEvent, *p50)
	}
	c.closedFigures(a, all)
}

// closedFigures fills in what the closed loop tells, beside the open one.
func (c *contest) closedFigures(a *arm, open *load.Result) {
	var rates, events []float64
	saturated := 0
	for _, r := range a.runs {
		if r.closed == nil {
			continue
		}
		rates = append(rates, r.closed.QPS())
		if window := r.closed.Window().Seconds(); r.closed.Events > 0 && window > 0 {
			events = append(events, float64(r.closed.Events)/window)
		}
		for _, check := range measure.Run(facts(r.closed, nil)) {
			if check.Name == "generator's CPU" && check.Verdict == measure.Invalid {
				saturated++
			}
		}
	}
	if len(events) > 0 {
		a.cell.Put(result.FigureEvents, stats.Median(events))
	}
	switch {
	case len(rates) > 0 && stats.Median(rates) == 0:
		a.cell.Reasons = append(a.cell.Reasons, fmt.Sprintf("no throughput: no request was begun and answered within load.closed, %s:"+
			" a longer one gives it", c.Set.Load.Closed))
	case len(rates) > 0:
		a.cell.QPS = new(stats.Median(rates))
		a.cell.Limited = 2*saturated >= len(rates)
		if why := overloaded(open, *a.cell.QPS, a.cell.Limited); why != "" {
			a.cell.Outcome = result.CellInvalid
			a.cell.Reasons = append([]string{why}, a.cell.Reasons...)
		}
		if base := c.baseQPS(a); base > 0 {
			a.cell.Put(result.FigureScale, *a.cell.QPS/base)
		}
	}
}

// baseQPS is the arm's throughput under the policy that its own is to be a ratio to; 0: there is none.
func (c *contest) baseQPS(a *arm) float64 {
	if a.Policy == nil || a.Policy.ScaleOf == "" {
		return 0
	}
	for i := range c.matrix.Rows {
		if c.matrix.Rows[i].Policy != a.Policy.ScaleOf {
			continue
		}
		for _, cell := range c.matrix.Rows[i].Cells {
			if cell.Arm == a.System.Name && cell.QPS != nil && cell.Outcome == result.CellMeasured {
				return *cell.QPS
			}
		}
	}
	return 0
}

// facts are what the checks need to know about an attack.
func facts(res *load.Result, machine []readings.Reading) measure.Facts {
	window := res.Window().Seconds()
	f := measure.Facts{
		Open: res.Attack.Model == load.Open, Offered: res.Attack.Rate, Samples: res.Successes,
		PeakWorkers: res.PeakWorkers, WorkerCap: res.WorkerCap, FDLimit: int(res.FDLimit), //nolint:gosec // a limit of descriptors
		Connections: res.Attack.AtATime(), InFlight: res.InFlight,
		Requests: res.Requests, Failed: res.Failed, ErrorBudget: errorBudget,
		Mismatches: res.Errors[load.KindMismatch] + res.Errors[load.KindUnhashed], Hashed: res.Hashed,
		MayReconnect:   true, // every turn opens its connections
		PortsExhausted: res.Errors[load.KindNoPort], TimeWait: res.TimeWait,
		Warm: "every policy begins with an empty gateway, and is warmed up by design",
	}
	if window > 0 {
		f.Achieved = float64(res.Requests) / window
	}
	if share, ok := res.CPUShare(); ok {
		f.WorkerCPU = &share
	}
	f.Workers = assess.Workers(res)
	if f.Open {
		f.LagP99MS, f.LatencyP99MS = res.Lag.Percentile(0.99), res.Corrected.Percentile(0.99)
	}
	if n := len(machine); n > 1 {
		f.Steal = machine[0].Steal(machine[n-1].Machine)
		f.Pressure = machine[0].Waiting(machine[n-1])
	}
	return f
}

// metric is a figure of one round that is compared.
type metric struct {
	name   string
	higher bool // is better
	of     func(*round) (float64, bool)
}

func metrics() []metric {
	quantile := func(q float64) func(*round) (float64, bool) {
		return func(r *round) (float64, bool) { return r.Quantile(q) }
	}
	return []metric{
		{name: "cpu", of: func(r *round) (float64, bool) { return perRequest(r, r.CPUSeconds) }},
		{name: result.FigureSwitches, of: func(r *round) (float64, bool) { return perRequest(r, float64(r.Switches)) }},
		{name: "p50", of: quantile(0.5)},
		{name: "p99", of: quantile(0.99)},
		{name: "qps", higher: true, of: func(r *round) (float64, bool) {
			if r.closed == nil {
				return 0, false
			}
			return r.closed.QPS(), r.closed.QPS() > 0
		}},
	}
}

// perRequest divides what a node used in a round's open loop by the requests that it was sent.
func perRequest(r *round, used float64) (float64, bool) {
	var sent uint64
	for _, t := range r.Results {
		sent += t.Sent
	}
	return used / float64(max(sent, 1)), sent > 0 && used > 0
}

// ratio compares an arm with the reference round by round.
func ratio(m metric, reference, other *arm) (result.MatrixRatio, bool) {
	var a, b []float64
	for i := range min(len(reference.runs), len(other.runs)) {
		x, okX := m.of(&reference.runs[i])
		y, okY := m.of(&other.runs[i])
		if okX && okY && x > 0 && y > 0 {
			a, b = append(a, x), append(b, y)
		}
	}
	if len(a) == 0 {
		return result.MatrixRatio{}, false
	}
	if e := stats.Ratio(stats.Metric{Name: m.name, HigherBetter: m.higher, A: a, B: b}); e.Pairs > 0 {
		return result.MatrixRatio{Name: m.name, Ratio: e.Ratio, Low: new(e.Low), High: new(e.High)}, true
	}
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = b[i] / a[i]
	}
	return result.MatrixRatio{Name: m.name, Ratio: stats.Median(ratios)}, true
}

// line is a row in one line.
func line(row *result.MatrixRow) string {
	var said []string
	for i := range row.Cells {
		c := &row.Cells[i]
		if c.Outcome != result.CellMeasured || c.P50MS == nil {
			said = append(said, c.Arm+" "+c.Outcome)
			continue
		}
		one := c.Arm
		if c.CPUUS != nil {
			one += fmt.Sprintf(" %.0f us,", *c.CPUUS)
		}
		one += fmt.Sprintf(" p50 %.2f ms", *c.P50MS)
		if c.QPS != nil {
			one += fmt.Sprintf(", %.0f QPS", *c.QPS)
		}
		said = append(said, one)
	}
	return strings.Join(said, "; ")
}

// versions says of every arm what its program or image is, as the runtime knows it.
func (c *contest) versions(info map[string]string) {
	for i, system := range c.Systems {
		arm := &c.matrix.Arms[i]
		if arm.Version = info["image_"+system.Program()]; arm.Version == "" {
			arm.Version = info[system.Program()]
		}
		if arm.Version == "" && system.Module != "" {
			arm.Version = system.Module
		}
		if arm.Version == "" && system.Program() == lab.ProgramGateway {
			arm.Version = c.Version
		}
	}
}

// withoutFigures says which arms were asked for and have no figure under any policy: such a run did not do what it was to do.
func withoutFigures(m *result.Matrix) []string {
	var out []string
	for i, a := range m.Arms {
		measured := false
		why := "no policy"
		for j := range m.Rows {
			c := &m.Rows[j].Cells[i]
			measured = measured || c.Outcome == result.CellMeasured
			why = fmt.Sprintf("%s under %s", c.Outcome, m.Rows[j].Policy)
			if len(c.Reasons) > 0 {
				why += ": " + c.Reasons[0]
			}
		}
		if !measured {
			out = append(out, fmt.Sprintf("%s has no figure: %s", a.Name, why))
		}
	}
	return out
}
