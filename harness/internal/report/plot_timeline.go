package report

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// The panels of the timeline, from the top: what the load did, what it felt,
// and who answered, on one time axis with the faults drawn through all of it.
const (
	timelineLeft   = 56.0
	timelinePanel  = 96.0
	timelineGap    = 24.0
	timelineBand   = 15.0 // of one row of faults
	timelineAtMost = 6    // rows of faults
)

// TimelineSVG writes the plot as a file of its own; nothing where the result is
// no experiment. The Result must be settled.
func TimelineSVG(w io.Writer, r *result.Result) error {
	plot := timelinePlot(r)
	if plot == "" {
		return nil
	}
	return withStyle(w, plot)
}

// timelinePlot shows rate, failures, p99 and who answered, second by second,
// with the faults as bands. Empty without an experiment.
func timelinePlot(r *result.Result) string {
	if r.Experiment == nil || len(r.Stages) == 0 {
		return ""
	}
	open := r.Stages[len(r.Stages)-1].OpenAttacks()
	if len(open) == 0 || len(open[0].Series) == 0 {
		return ""
	}
	series := open[0].Series
	rows, level := stacked(r.Experiment.Bands)
	top := 20 + float64(rows)*timelineBand + 18
	height := top + 4*timelinePanel + 3*timelineGap + 40
	c := newCanvas(height, "Rate, failures, p99, available replicas and faults", "")
	end := float64(series[len(series)-1].Offset + 1)
	x := func(s float64) float64 {
		return timelineLeft + min(max(s, 0), end)/end*(plotWidth-26-timelineLeft)
	}
	bottom := height - 40
	for i, b := range r.Experiment.Bands {
		if b.FromS >= end {
			continue
		}
		label := fmt.Sprintf("%s, second %s to %s", b.Label, figure.Rounded(b.FromS), figure.Rounded(b.ToS))
		w := max(x(b.ToS)-x(b.FromS), 1)
		c.rect("bad", x(b.FromS), top-6, w, bottom-top+6, label)
		c.rect("s5", x(b.FromS), 20+float64(level[i])*timelineBand, w, timelineBand-5, label)
	}
	c.text("tick", "start", 4, 14, "faults")
	for i, b := range r.Experiment.Bands {
		if i < 40 && fits(r.Experiment.Bands, level, i, x) {
			c.text("tick", "start", x(b.ToS)+3, 29+float64(level[i])*timelineBand, b.Label)
		}
	}
	panel := func(i int) (from, to float64) {
		from = top + float64(i)*(timelinePanel+timelineGap)
		return from, from + timelinePanel
	}
	c.rates(series, x, panel)
	c.answers(r.Experiment.Timeline, x, panel)
	for _, t := range niceTicks(end, 6) {
		if t <= end {
			c.text("tick", "middle", x(t), bottom+16, short(t))
		}
	}
	c.text("tick", "end", plotWidth-26, bottom+34, "seconds")
	return c.end()
}

// stacked gives each band the first row that is free, so that overlapping
// faults are both seen.
func stacked(bands []result.Band) (rows int, level []int) {
	var ends []float64
	for _, b := range bands {
		at := slices.IndexFunc(ends, func(end float64) bool { return end <= b.FromS })
		if at < 0 && len(ends) < timelineAtMost {
			ends = append(ends, 0)
			at = len(ends) - 1
		}
		at = max(at, 0)
		ends[at] = b.ToS
		level = append(level, at)
	}
	return len(ends), level
}

// fits says whether a band's label has room before the next one in its row.
func fits(bands []result.Band, level []int, i int, x func(float64) float64) bool {
	for j := i + 1; j < len(bands); j++ {
		if level[j] == level[i] {
			return x(bands[i].ToS)+3+textWidth(bands[i].Label) < x(bands[j].FromS)
		}
	}
	return x(bands[i].ToS)+3+textWidth(bands[i].Label) < plotWidth
}

// rates are the load's successes, failures and p99.
func (c *canvas) rates(series []result.Second, x func(float64) float64, panel func(int) (float64, float64)) {
	var most, bad, late float64
	for _, s := range series {
		most, bad = max(most, float64(s.Successes)), max(bad, float64(s.Failed))
		if s.P99MS != nil {
			late = max(late, *s.P99MS)
		}
	}
	from, to := panel(0)
	c.text("tick", "start", 4, from-8, "QPS (load)")
	c.successes(series, x, linearAxis(c, niceTicks(most, 3), timelineLeft, plotWidth-26, from, to), to)
	from, to = panel(1)
	c.text("tick", "start", 4, from-8, "failed/s (load)")
	c.failures(series, x, linearAxis(c, niceTicks(max(bad, 1), 3), timelineLeft, plotWidth-26, from, to), to)
	from, to = panel(2)
	c.text("tick", "start", 4, from-8, "p99 ms (load, corrected)")
	y := linearAxis(c, niceTicks(max(late, 1), 3), timelineLeft, plotWidth-26, from, to)
	var line []point
	for _, s := range series {
		if s.P99MS == nil {
			c.path("line l2", line, false)
			line = nil // a second without a success has no p99
			continue
		}
		line = append(line, point{x(float64(s.Offset)), y(*s.P99MS)}, point{x(float64(s.Offset + 1)), y(*s.P99MS)})
	}
	c.path("line l2", line, false)
}

// answers are stacked bars: which replica answered the probes, and failures.
func (c *canvas) answers(moments []result.Moment, x func(float64) float64, panel func(int) (float64, float64)) {
	names := map[string]bool{}
	most := 1.0
	for _, m := range moments {
		sum := float64(m.Failed)
		for n, count := range m.Nodes {
			names[n] = true
			sum += float64(count)
		}
		most = max(most, sum)
	}
	from, to := panel(3)
	sorted := slices.Sorted(maps.Keys(names))
	c.text("tick", "start", 4, from-8, "probes answered by")
	at := 130.0
	for i, n := range sorted {
		c.rect(answerClass(i), at, from-16, 10, 10, "")
		c.text("tick", "start", at+14, from-8, n)
		at += 24 + textWidth(n)
	}
	y := linearAxis(c, niceTicks(most, 3), timelineLeft, plotWidth-26, from, to)
	for _, m := range moments {
		if x(float64(m.Offset)) >= x(float64(m.Offset+1)) {
			continue // after the load's end
		}
		floor := to
		left, width := x(float64(m.Offset)), (x(1)-x(0))*0.9
		stack := func(class string, n uint64, who string) {
			h := to - y(float64(n))
			c.rect(class, left, floor-h, width, h, fmt.Sprintf("second %d: %d %s", m.Offset, n, who))
			floor -= h
		}
		for i, n := range sorted {
			stack(answerClass(i), m.Nodes[n], "by "+n)
		}
		stack("s5", m.Failed, "failed")
	}
}

// answerClass leaves out the class that stands for failures.
func answerClass(i int) string {
	if i >= 5 {
		i++
	}
	return series(i)
}
