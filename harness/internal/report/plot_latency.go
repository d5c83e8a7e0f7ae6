package report

import (
	"fmt"
	"math"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// percentilePlot shows every stage's corrected latency by percentile, both axes
// logarithmic, so that the tail has as much room as the rest. Empty when no
// stage has a distribution.
func percentilePlot(r *result.Result) string {
	low := math.Inf(1)
	high := 0.0
	most := 0.0
	var legend []swatch
	for i := range r.Stages {
		s := &r.Stages[i]
		points := plottable(s.Distribution())
		if len(points) == 0 {
			continue
		}
		legend = append(legend, swatch{series(i), stageLabel(s)})
		for _, p := range points {
			low = min(low, p.MS)
			high = max(high, p.MS)
			most = max(most, p.Percentile)
		}
	}
	if len(legend) == 0 {
		return ""
	}
	const left, right = 44.0, 18.0
	head := newCanvas(0, "", "").shapedLegend(left, legend) + 6
	c := newCanvas(
		head+plotHeight,
		"Latency by percentile, open-loop, corrected",
		"Both axes are logarithmic: percentiles by their nines, latency in ms.",
	)
	c.shapedLegend(left, legend)
	bottom := head + plotHeight - 44
	y := logAxis(c, logTicks(low, high), left, plotWidth-right, head, bottom)
	x := percentileAxis(c, most, left, plotWidth-right, head, bottom)
	c.text("tick", "start", 4, head-8, "ms")
	c.text("tick", "end", plotWidth-right, bottom+34, "percentile")
	for i := range r.Stages {
		var line []point
		for _, p := range plottable(r.Stages[i].Distribution()) {
			line = append(line, point{x(p.Percentile), y(p.MS)})
		}
		c.path("line l"+strconv.Itoa(i%8), line, false)
		for j, p := range plottable(r.Stages[i].Distribution()) {
			c.shape(
				series(i),
				i%8,
				line[j].x,
				line[j].y,
				3.5,
				fmt.Sprintf(
					"%s: p%s %s",
					stageLabel(&r.Stages[i]),
					figure.TrimZeros(strconv.FormatFloat(p.Percentile, 'f', 3, 64)),
					figure.Millis(p.MS),
				),
			)
		}
	}
	return c.end()
}

// plottable leaves out what logarithmic axes have no place for.
func plottable(points []result.Percentile) []result.Percentile {
	var out []result.Percentile
	for _, p := range points {
		if p.MS > 0 && !math.IsInf(p.MS, 0) && p.Percentile >= 0 && p.Percentile < 100 {
			out = append(out, p)
		}
	}
	return out
}

// logAxis draws a vertical logarithmic axis and returns its scale.
func logAxis(c *canvas, ticks []float64, left, right, top, bottom float64) func(float64) float64 {
	low, high := math.Log10(ticks[0]), math.Log10(ticks[len(ticks)-1])
	y := func(v float64) float64 {
		return bottom - (math.Log10(v)-low)/(high-low)*(bottom-top)
	}
	for _, t := range ticks {
		c.line("grid", left, y(t), right, y(t), "")
		c.text("tick", "end", left-6, y(t)+4, short(t))
	}
	return y
}

// percentileAxis gives every further nine the same room, and returns its scale.
func percentileAxis(c *canvas, most, left, right, top, bottom float64) func(float64) float64 {
	nines := func(p float64) float64 { return -math.Log10(1 - min(p, 99.9999)/100) }
	end := max(nines(most), nines(99))
	x := func(p float64) float64 { return left + nines(p)/end*(right-left) }
	for _, t := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if nines(t) > end+1e-9 {
			break
		}
		c.line("grid", x(t), top, x(t), bottom, "")
		c.text("tick", "middle", x(t), bottom+16, strconv.FormatFloat(t, 'f', -1, 64))
	}
	return x
}

func linearAxis(c *canvas, ticks []float64, left, right, top, bottom float64) func(float64) float64 {
	high := ticks[len(ticks)-1]
	y := func(v float64) float64 { return bottom - v/high*(bottom-top) }
	for _, t := range ticks {
		c.line("grid", left, y(t), right, y(t), "")
		c.text("tick", "end", left-6, y(t)+4, short(t))
	}
	return y
}
