package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// capacityGrid lists the searches.
func capacityGrid(r *result.Result) grid {
	g := grid{
		Title: "Capacity within the SLO, open-loop",
		Note: "The highest rate that met the SLO in every window of the confirming run." +
			" The knee is the rate at which latency begins to rise steeply.",
		Heads: []string{"stage", "replicas", "SLO", "highest rate", "knee", "closed-loop QPS", "ended by"},
		Text:  []bool{0: true, 2: true, 6: true},
	}
	for _, c := range r.Capacity {
		var closed []string
		for _, q := range c.Closed {
			closed = append(closed, figure.Rounded(q))
		}
		g.add(c.QPS == nil, c.Stage, strconv.Itoa(c.Replicas), c.SLO, figure.RoundedOr(c.QPS), figure.RoundedOr(c.KneeQPS),
			strings.Join(closed, ", "), c.Limit)
	}
	return g
}

// pointsGrid lists every rate that was measured.
func pointsGrid(r *result.Result) grid {
	g := grid{
		Title: "Measured rates",
		Heads: []string{"stage", "replicas", "offered", "QPS", "p50 ms", "p99 ms", "errors", "missed"},
		Text:  []bool{0: true, 7: true},
	}
	for _, c := range r.Capacity {
		for _, p := range c.Points {
			missed := p.Missed
			if p.Confirms {
				missed = strings.TrimSpace("confirming run " + missed)
			}
			g.add(!p.Valid, c.Stage, strconv.Itoa(c.Replicas), figure.Rounded(p.OfferedQPS), figure.Rounded(p.QPS),
				figure.RoundedOr(p.P50MS), figure.RoundedOr(p.P99MS), figure.Percent(p.ErrorRate), missed)
		}
	}
	return g
}

// widest is how many times its lower end the upper end of a prediction may be.
const widest = 3

// scalabilityGrid is the fitted law and what it says, marked as what it is.
func scalabilityGrid(r *result.Result) grid {
	s := r.Scalability
	if s == nil {
		return grid{}
	}
	interval := func(v result.Range, digits string) string {
		return fmt.Sprintf(digits+" ("+digits+" to "+digits+")", v.Value, v.Low, v.High)
	}
	g := grid{
		Title: "Universal scalability law (EXTRAPOLATION, not measured)",
		Note: "Fitted to the closed-loop rates above, which were measured in alternation on one host. In brackets: 95% bootstrap intervals" +
			" over rounds. Contention: the share of the work in which replicas wait for each other. Coherency: the cost of keeping" +
			" them consistent.",
		Heads: []string{"what", "value"}, Text: []bool{true, true},
	}
	g.add(false, "one replica (lambda)", figure.Rounded(s.Lambda)+" QPS")
	g.add(false, "contention", interval(s.Sigma, "%.4f"))
	g.add(false, "coherency", interval(s.Kappa, "%.5f"))
	if !s.Identified {
		g.add(true, "10 and 100 replicas", "REFUSED: "+s.Reason)
		return g
	}
	for _, p := range s.Predictions {
		said := interval(p.QPS, "%.0f") + " QPS"
		wide := p.QPS.High > widest*p.QPS.Low
		if wide {
			said += ": the interval is too wide for a conclusion"
		}
		g.add(wide, fmt.Sprintf("%d replicas, extrapolated", p.Replicas), said)
	}
	return g
}

// CapacitySVG writes the plot of p99 against rate, for use outside of the page.
func CapacitySVG(w io.Writer, r *result.Result) error { return withStyle(w, capacityPlot(r)) }

// capacityPlot shows p99 against the offered rate, a line for each number of
// replicas or each stage, on logarithmic axes; the highest rate within the SLO is a large dot.
// Empty without two points.
func capacityPlot(r *result.Result) string {
	var xs, ys []float64
	for _, c := range r.Capacity {
		for _, p := range c.Points {
			if p.P99MS != nil && *p.P99MS > 0 {
				xs, ys = append(xs, p.OfferedQPS), append(ys, *p.P99MS)
			}
		}
	}
	if len(xs) < 2 {
		return ""
	}
	const left = 60.0
	const head = 44.0
	const foot = 40.0
	xt, yt := logTicks(slices.Min(xs), slices.Max(xs)), logTicks(slices.Min(ys), slices.Max(ys))
	c := newCanvas(plotHeight, "p99 against rate", "Corrected p99 in ms, by offered rate, open-loop")
	x := logScale(xt, left, plotWidth-20)
	y := logScale(yt, plotHeight-foot, head)
	for _, t := range yt {
		c.line("grid", left, y(t), plotWidth-20, y(t), "")
		c.text("tick", "end", left-6, y(t)+4, figure.Rounded(t))
	}
	for _, t := range xt {
		c.line("grid", x(t), head, x(t), plotHeight-foot, "")
		c.text("tick", "middle", x(t), plotHeight-foot+16, figure.Rounded(t))
	}
	c.text("label", "middle", (left+plotWidth)/2, plotHeight-6, "offered requests/s; p99 in ms; large dot: highest rate within the SLO")
	var legend []swatch
	for i, one := range r.Capacity {
		class := fmt.Sprintf("s%d", i%6)
		name := capacityName(r, one)
		legend = append(legend, swatch{class, name})
		c.capacityLine(one, class, name, x, y)
	}
	c.legend(left, legend)
	return c.end()
}

// capacityName tells a search from the others.
func capacityName(r *result.Result, one result.Capacity) string {
	if one.Stage == fmt.Sprintf("%s-%d", strings.TrimPrefix(r.Scenario, "capacity-"), one.Replicas) {
		return fmt.Sprintf("%d replica(s)", one.Replicas)
	}
	return one.Stage
}

func (c *canvas) capacityLine(one result.Capacity, class, name string, x, y func(float64) float64) {
	points := slices.Clone(one.Points)
	slices.SortStableFunc(points, func(a, b result.CapacityPoint) int { return int(math.Copysign(1, a.OfferedQPS-b.OfferedQPS)) })
	for _, p := range points {
		if p.P99MS == nil || *p.P99MS <= 0 {
			continue
		}
		radius := 3.0
		if p.Confirms && one.QPS != nil && p.OfferedQPS == *one.QPS {
			radius = 6
		}
		mark := class
		if !p.Valid {
			mark = "bad"
		}
		c.dot(mark, x(p.OfferedQPS), y(*p.P99MS), radius,
			fmt.Sprintf("%s: %s/s, p99 %s ms %s", name, figure.Rounded(p.OfferedQPS), figure.Rounded(*p.P99MS), p.Missed))
	}
	if one.KneeQPS != nil {
		c.text("label", "middle", x(*one.KneeQPS), y(kneeHeight(points, *one.KneeQPS))-10, "knee")
	}
}

func kneeHeight(points []result.CapacityPoint, at float64) float64 {
	for _, p := range points {
		if p.OfferedQPS == at && p.P99MS != nil {
			return *p.P99MS
		}
	}
	return 1
}

// logScale maps the ticks' range onto from to to.
func logScale(ticks []float64, from, to float64) func(float64) float64 {
	low, high := math.Log(ticks[0]), math.Log(ticks[len(ticks)-1])
	return func(v float64) float64 { return from + (math.Log(v)-low)/(high-low)*(to-from) }
}

// decision is what a run that was made to decide something came to, in one
// sentence; empty for any other run.
func decision(r *result.Result) string {
	if c := r.Comparison; c != nil {
		return strings.TrimSuffix(strings.ToUpper(string(c.Verdict))+": "+c.Reason, ": ")
	}
	if r.Drill != nil {
		return drillSentence(r.Drill)
	}
	if r.Scale != nil {
		return scaleSentence(r.Scale)
	}
	if r.Overview != nil {
		return overviewSentence(r.Overview)
	}
	if r.Matrix != nil {
		return matrixSentence(r.Matrix)
	}
	var parts []string
	for _, c := range r.Capacity {
		rate := "no rate"
		if c.QPS != nil {
			rate = figure.Rounded(*c.QPS) + " requests/s"
		}
		parts = append(parts, fmt.Sprintf("%d replica(s): %s within %s", c.Replicas, rate, c.SLO))
	}
	return strings.Join(parts, "; ")
}

// capacityPart is what searches for capacity came to. Empty without one.
func capacityPart(r *result.Result) part {
	p := part{ID: "capacity", Title: "Capacity"}
	p.drawFile("Latency against rate, open-loop, corrected", capacityPlot(r), result.FileCapacity)
	for _, g := range []grid{capacityGrid(r), scalabilityGrid(r), pointsGrid(r)} {
		p.tabulate(g)
	}
	return p
}

// CapacityText writes the outcome of a capacity search for a terminal. The Result
// must be settled.
func CapacityText(w io.Writer, r *result.Result) error {
	b := bufio.NewWriter(w)
	for _, g := range []grid{capacityGrid(r), scalabilityGrid(r)} {
		titled(b, g)
	}
	for _, why := range r.InvalidReasons {
		fmt.Fprintf(b, "INVALID: %s\n", line(why))
	}
	return b.Flush()
}
