package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// errorRate is the metric whose comparison is a difference of rates, for a
// ratio to no failure at all is none.
const errorRate = "error_rate"

// slowShare ends the name of a metric that is a difference likewise, of shares that may be 0.
const slowShare = "slow_share"

// comparisonPart is the verdict on two builds. Empty without a comparison.
func comparisonPart(r *result.Result) part {
	c := r.Comparison
	if c == nil {
		return part{}
	}
	p := part{ID: "comparison", Title: "Comparison", Verdict: c.Verdict, Lead: comparisonText(c)}
	if c.Reason != "" {
		p.Lead += ": " + c.Reason
	}
	p.Notes = append(
		slices.Clone(c.Notes),
		"A metric fails if its ratio is beyond the margin with 95% confidence. It passes if the ratio is within the margin with"+
			" 95% confidence. Otherwise it is inconclusive",
	)
	p.draw("Ratio of every metric, with its interval and margin", comparisonPlot(c))
	p.tabulate(comparisonGrid(c))
	return p
}

// comparisonText is the verdict in a sentence.
func comparisonText(c *result.Comparison) string {
	if len(c.Arms) == 2 {
		return fmt.Sprintf("%s against %s: %s", c.Arms[1], c.Arms[0], c.Verdict)
	}
	return string(c.Verdict)
}

// comparisonGrid is the comparison as a table.
func comparisonGrid(c *result.Comparison) grid {
	g := grid{
		Title: "Metrics", Heads: []string{"metric", "ratio", "change", "interval", "margin", "verdict"}, Text: []bool{0: true, 5: true},
		Note: "Ratios are second arm / first arm. The interval has one-sided 95% bounds. Figures of " + errorRate +
			" and " + slowShare + " are differences, in percent of the requests.",
	}
	for _, m := range c.Metrics {
		ratio, change := ratioText(m.Ratio), signed((m.Ratio-1)*100)
		if isDifference(m.Name) {
			ratio, change = "", signed(m.Ratio*100)
		}
		interval := figure.NA
		if m.Low != nil && m.High != nil {
			interval = boundText(m, *m.Low) + " to " + boundText(m, *m.High)
		}
		margin := figure.NA
		if m.Margin != nil {
			margin = boundText(m, *m.Margin)
		}
		verdict := string(m.Verdict)
		if m.Advisory {
			verdict += " (advisory)"
		}
		if m.Low == nil && m.Ratio == 0 {
			ratio, change = figure.NA, figure.NA
		}
		g.add(m.Verdict == stats.Fail, m.Name, ratio, change, interval, margin, verdict)
	}
	return g
}

// isDifference says that a metric's figures are differences of shares of the requests.
func isDifference(name string) bool {
	return name == errorRate || strings.HasSuffix(name, " "+slowShare)
}

// boundText is an end of the metric's interval, or its margin.
func boundText(m result.ComparisonMetric, v float64) string {
	if isDifference(m.Name) {
		return signed(v * 100)
	}
	return ratioText(v)
}

func ratioText(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

// signed is a change in percent, never without its sign.
func signed(percent float64) string {
	digits := 1
	if a := math.Abs(percent); a > 0 && a < 0.1 {
		digits = 3
	}
	return fmt.Sprintf("%+.*f%%", digits, percent)
}

// comparisonPlot shows each ratio with its interval around 1, and the margin as a dashed
// line. Empty where no metric has an interval.
func comparisonPlot(c *result.Comparison) string {
	var shown []result.ComparisonMetric
	low := 0.9
	high := 1.1
	left := 60.0
	for _, m := range c.Metrics {
		if isDifference(m.Name) || m.Low == nil || m.High == nil || !(*m.Low > 0) {
			continue
		}
		shown = append(shown, m)
		low = min(low, *m.Low)
		high = max(high, *m.High)
		left = max(left, nameWidth(m.Name)+14)
		if m.Margin != nil && *m.Margin > 0 {
			low, high = min(low, *m.Margin), max(high, *m.Margin)
		}
	}
	if len(shown) == 0 {
		return ""
	}
	const head, row = 14.0, 34.0
	low *= 0.97
	high *= 1.03
	left = min(left, plotWidth/2)
	x := func(v float64) float64 {
		return left + (math.Log(v)-math.Log(low))/(math.Log(high)-math.Log(low))*(plotWidth-left-20)
	}
	bottom := head + row*float64(len(shown))
	p := newCanvas(
		bottom+36,
		"Comparison: "+comparisonText(c),
		"Dot: ratio. Bar: interval. Dashed line: margin. Solid line: no difference.",
	)
	for _, t := range ratioTicks(low, high) {
		p.line("grid", x(t), head-6, x(t), bottom, "")
		p.text("tick", "middle", x(t), bottom+16, strconv.FormatFloat(t, 'f', -1, 64))
	}
	p.text("tick", "end", plotWidth-20, bottom+31, "ratio, second arm to first")
	p.line("axis", x(1), head-6, x(1), bottom, "")
	for i, m := range shown {
		y := head + row*(float64(i)+0.5)
		class := map[stats.Verdict]string{stats.Fail: "fail", stats.Pass: "s0"}[m.Verdict]
		if class == "" {
			class = "s7"
		}
		p.text("name", "end", left-8, y+4, m.Name)
		text := fmt.Sprintf("%s: %s (%s to %s), %s", m.Name, ratioText(m.Ratio), ratioText(*m.Low), ratioText(*m.High), m.Verdict)
		p.rect(class, x(*m.Low), y-3, max(x(*m.High)-x(*m.Low), 1), 6, text)
		p.dot(class, x(m.Ratio), y, 6, text)
		if m.Margin != nil && *m.Margin > 0 {
			p.line("mark", x(*m.Margin), y-13, x(*m.Margin), y+13, fmt.Sprintf("%s: margin %s", m.Name, ratioText(*m.Margin)))
		}
	}
	return p.end()
}

// ratioTicks are round ratios within low to high, no more than fit.
func ratioTicks(low, high float64) []float64 {
	for _, step := range []float64{0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5} {
		if (high-low)/step > 7 {
			continue
		}
		var out []float64
		for i := math.Ceil(low / step); i*step <= high; i++ {
			out = append(out, math.Round(i*step*1000)/1000)
		}
		return out
	}
	return []float64{1}
}
