package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// FileCapacity is the plot of latency against rate in a run's folder.
const FileCapacity = "capacity.svg"

// Capacity is one search for the highest rate within an SLO, open-loop.
type Capacity struct {
	Stage    string          `json:"stage"`
	Replicas int             `json:"replicas"`
	SLO      string          `json:"slo"`
	QPS      *float64        `json:"qps,omitempty"`      // highest offered rate that was confirmed; absent: none
	Limit    string          `json:"limit,omitempty"`    // what ended the search
	KneeQPS  *float64        `json:"knee_qps,omitempty"` // rate from which latency rises steeply
	Closed   []float64       `json:"closed_qps,omitempty"`
	Points   []CapacityPoint `json:"points"`
}

// CapacityPoint is what was seen at one rate.
type CapacityPoint struct {
	OfferedQPS float64  `json:"offered_qps"`
	QPS        float64  `json:"qps"`
	P50MS      *float64 `json:"p50_ms,omitempty"` // corrected
	P99MS      *float64 `json:"p99_ms,omitempty"`
	ErrorRate  float64  `json:"error_rate"`
	Valid      bool     `json:"valid"` // the generator did what it should
	Confirms   bool     `json:"confirms,omitempty"`
	Missed     string   `json:"missed,omitempty"` // what was missed: the SLO, or a check
}

// Scalability is the universal scalability law, fitted to closed-loop rates.
// Its predictions are extrapolations, and nothing where Identified is false.
type Scalability struct {
	Lambda      float64      `json:"lambda"` // requests a second of one replica
	Sigma       Range        `json:"sigma"`  // share that replicas wait for each other
	Kappa       Range        `json:"kappa"`  // cost of their agreeing
	Identified  bool         `json:"identified"`
	Reason      string       `json:"reason,omitempty"` // why it is not identified
	Predictions []Prediction `json:"predictions,omitempty"`
}

// Range is a figure with its two-sided 95% bootstrap interval.
type Range struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Prediction is a throughput that nobody measured.
type Prediction struct {
	Replicas int   `json:"replicas"`
	QPS      Range `json:"qps"`
}

// capacityGrid lists the searches.
func (r *Result) capacityGrid() grid {
	g := grid{
		Title: "Capacity within the SLO, open-loop",
		Note:  "The highest rate that met the SLO again in every window of the confirming run. The knee is where latency begins to rise steeply.",
		Heads: []string{"stage", "replicas", "SLO", "highest rate", "knee", "closed-loop QPS", "ended by"},
		Text:  []bool{0: true, 2: true, 6: true},
	}
	for _, c := range r.Capacity {
		var closed []string
		for _, q := range c.Closed {
			closed = append(closed, figure(q))
		}
		g.add(c.QPS == nil, c.Stage, strconv.Itoa(c.Replicas), c.SLO, figureOr(c.QPS), figureOr(c.KneeQPS), strings.Join(closed, ", "), c.Limit)
	}
	return g
}

// pointsGrid lists every rate that was measured.
func (r *Result) pointsGrid() grid {
	g := grid{
		Title: "Rates that were measured",
		Heads: []string{"stage", "replicas", "offered", "QPS", "p50 ms", "p99 ms", "errors", "missed"},
		Text:  []bool{0: true, 7: true},
	}
	for _, c := range r.Capacity {
		for _, p := range c.Points {
			missed := p.Missed
			if p.Confirms {
				missed = strings.TrimSpace("confirming run " + missed)
			}
			g.add(!p.Valid, c.Stage, strconv.Itoa(c.Replicas), figure(p.OfferedQPS), figure(p.QPS), figureOr(p.P50MS), figureOr(p.P99MS), percent(p.ErrorRate), missed)
		}
	}
	return g
}

// widest is how many times its lower end the upper end of a prediction may be.
const widest = 3

// scalabilityGrid is the fitted law and what it says, marked as what it is.
func (r *Result) scalabilityGrid() grid {
	s := r.Scalability
	if s == nil {
		return grid{}
	}
	span := func(v Range, digits string) string {
		return fmt.Sprintf(digits+" ("+digits+" to "+digits+")", v.Value, v.Low, v.High)
	}
	g := grid{
		Title: "Universal scalability law (EXTRAPOLATION, not measured)",
		Note:  "Fitted to the closed-loop rates of the replicas above, which were measured in turns on one host. In brackets: 95% bootstrap intervals over rounds.",
		Heads: []string{"what", "value"}, Text: []bool{true, true},
	}
	g.add(false, "one replica (lambda)", figure(s.Lambda)+" QPS")
	g.add(false, "waiting (sigma)", span(s.Sigma, "%.4f"))
	g.add(false, "agreeing (kappa)", span(s.Kappa, "%.5f"))
	if !s.Identified {
		g.add(true, "10 and 100 replicas", "REFUSED: "+s.Reason)
		return g
	}
	for _, p := range s.Predictions {
		said := span(p.QPS, "%.0f") + " QPS"
		wide := p.QPS.High > widest*p.QPS.Low
		if wide {
			said += ": too wide to say anything"
		}
		g.add(wide, fmt.Sprintf("%d replicas, extrapolated", p.Replicas), said)
	}
	return g
}

// CapacitySVG writes the plot of p99 against rate, for use outside of the page.
func CapacitySVG(w io.Writer, r *Result) error { return withStyle(w, r.capacityPlot()) }

// capacityPlot shows p99 against the offered rate, a line for each number of
// replicas or each stage, on logarithmic axes; the highest rate within the SLO is a large dot.
// Empty without two points.
func (r *Result) capacityPlot() string {
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
	const left, head, foot = 60.0, 44.0, 40.0
	xt, yt := logTicks(slices.Min(xs), slices.Max(xs)), logTicks(slices.Min(ys), slices.Max(ys))
	c := newCanvas(plotHeight, "p99 against rate", "Corrected p99 in ms, by offered rate, open-loop")
	x := logScale(xt, left, plotWidth-20)
	y := logScale(yt, plotHeight-foot, head)
	for _, t := range yt {
		c.line("grid", left, y(t), plotWidth-20, y(t), "")
		c.text("tick", "end", left-6, y(t)+4, figure(t))
	}
	for _, t := range xt {
		c.line("grid", x(t), head, x(t), plotHeight-foot, "")
		c.text("tick", "middle", x(t), plotHeight-foot+16, figure(t))
	}
	c.text("label", "middle", (left+plotWidth)/2, plotHeight-6, "offered requests/s; p99 in ms; large dot: highest rate within the SLO")
	var legend []swatch
	for i, one := range r.Capacity {
		class := fmt.Sprintf("s%d", i%6)
		name := r.capacityName(one)
		legend = append(legend, swatch{class, name})
		c.capacityLine(one, class, name, x, y)
	}
	c.legend(left, legend)
	return c.end()
}

// capacityName tells a search from the others.
func (r *Result) capacityName(one Capacity) string {
	if one.Stage == fmt.Sprintf("%s-%d", strings.TrimPrefix(r.Scenario, "capacity-"), one.Replicas) {
		return fmt.Sprintf("%d replica(s)", one.Replicas)
	}
	return one.Stage
}

func (c *canvas) capacityLine(one Capacity, class, name string, x, y func(float64) float64) {
	points := slices.Clone(one.Points)
	slices.SortStableFunc(points, func(a, b CapacityPoint) int { return int(math.Copysign(1, a.OfferedQPS-b.OfferedQPS)) })
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
		c.dot(mark, x(p.OfferedQPS), y(*p.P99MS), radius, fmt.Sprintf("%s: %s/s, p99 %s ms %s", name, figure(p.OfferedQPS), figure(*p.P99MS), p.Missed))
	}
	if one.KneeQPS != nil {
		c.text("label", "middle", x(*one.KneeQPS), y(kneeHeight(points, *one.KneeQPS))-10, "knee")
	}
}

func kneeHeight(points []CapacityPoint, at float64) float64 {
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

// decided is what a run that was made to decide something came to, in one
// sentence; empty for any other run.
func (r *Result) decided() string {
	if c := r.Comparison; c != nil {
		return strings.TrimSuffix(strings.ToUpper(c.Verdict)+": "+c.Reason, ": ")
	}
	if r.Drill != nil {
		return r.Drill.String()
	}
	if r.Overview != nil {
		return r.Overview.String()
	}
	var parts []string
	for _, c := range r.Capacity {
		rate := "no rate"
		if c.QPS != nil {
			rate = figure(*c.QPS) + " requests/s"
		}
		parts = append(parts, fmt.Sprintf("%d replica(s): %s within %s", c.Replicas, rate, c.SLO))
	}
	return strings.Join(parts, "; ")
}

// capacityPart is what searches for capacity came to. Empty without one.
func (r *Result) capacityPart() part {
	p := part{ID: "capacity", Title: "Capacity"}
	p.drawFile("Latency against rate, open-loop, corrected", r.capacityPlot(), FileCapacity)
	for _, g := range []grid{r.capacityGrid(), r.scalabilityGrid(), r.pointsGrid()} {
		p.tabulate(g)
	}
	return p
}

// CapacityText writes what a search came to, for a terminal.
func CapacityText(w io.Writer, r *Result) error {
	var text strings.Builder
	b := bufio.NewWriter(&text)
	for _, g := range []grid{r.capacityGrid(), r.scalabilityGrid()} {
		table(b, g)
	}
	for _, why := range r.InvalidReasons {
		fmt.Fprintf(b, "INVALID: %s\n", line(why))
	}
	if err := b.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.ReplaceAll(text.String(), "&lt;", "<")) // no markup on a terminal
	return err
}
