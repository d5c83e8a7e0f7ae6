package report

import (
	"fmt"
	"io"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// ladderPlot shows the stages' capacity as bars from zero, published figures as
// outlines below them. Empty when no stage has a rate.
func ladderPlot(r *result.Result, width float64) string {
	rungs := r.Ladder()
	top := 0.0
	for _, s := range rungs {
		if s.QPS != nil {
			top = max(top, *s.QPS)
		}
		if s.Published != nil && s.Published.QPS != nil {
			top = max(top, *s.Published.QPS)
		}
	}
	if top == 0 {
		return ""
	}
	left, head := nameRoom(r), 40.0
	ticks := niceTicks(top, 5)
	scale := (width - left - 24) / ticks[len(ticks)-1]
	bottom := head
	for _, s := range rungs {
		bottom += rungHeight(s)
	}
	c := newCanvasOf(width, bottom+24, "Capacity of every stage", headline(r))
	legend := []swatch{{"s0", "measured, closed-loop QPS"}}
	if anyPublished(r) {
		legend = append(legend, swatch{"outline", "published QPS"})
	}
	c.legend(left, legend)
	for _, t := range ticks {
		c.line("grid", left+t*scale, head-8, left+t*scale, bottom, "")
		c.text("tick", "middle", left+t*scale, bottom+16, short(t))
	}
	y := head
	for _, s := range rungs {
		c.rung(s, left, y, scale)
		y += rungHeight(s)
	}
	c.line("axis", left, head-8, left, bottom, "")
	return c.end()
}

// nameRoom is how much room the stages' names want on the left.
func nameRoom(r *result.Result) float64 {
	room := 56.0
	for i := range r.Stages {
		room = max(room, nameWidth(r.Stages[i].Name)+14)
	}
	return min(room, 140)
}

// rungHeight is a rung's: one with a published figure has one more bar.
func rungHeight(s result.Rung) float64 {
	if s.Published != nil && s.Published.QPS != nil {
		return 62
	}
	return 50
}

// rung draws one stage's bars with its figures in words.
func (c *canvas) rung(s result.Rung, left, y, scale float64) {
	c.stageName(s.Stage, left-8, y+14)
	class := "s0"
	if !s.Valid {
		class = "bad"
	}
	if s.QPS != nil {
		value := figure.Rounded(*s.QPS) + " QPS"
		if s.VsFirst != nil {
			value += ", " + figure.Times(s.VsFirst)
		}
		c.rect(class, left, y, *s.QPS*scale, 18, stageLabel(s.Stage)+": "+value+" (closed-loop)")
		c.beside(left, y+14, *s.QPS*scale, value)
	} else {
		c.text("label", "start", left+6, y+14, figure.NA)
	}
	below := y + 32
	if p := s.Published; p != nil && p.QPS != nil {
		c.rect("outline", left, y+21, *p.QPS*scale, 7, fmt.Sprintf("%s, published: %s QPS", s.Name, figure.Rounded(*p.QPS)))
		below += 10
	}
	if s.LatencyMS != nil {
		c.text("tick", "start", left+6, below, c.inWords(s))
	}
}

// inWords are a rung's other figures, with what limits it where there is room.
func (c *canvas) inWords(s result.Rung) string {
	text := "open-loop p50 " + figure.MillisOr(s.P50()) + ", p99 " + figure.MillisOr(s.P99()) + ", errors " + figure.PercentOr(s.ErrorRate)
	if c.width < wideWidth {
		return text
	}
	if s.Availability != nil {
		text += ", availability " + figure.Percent(s.Availability.Availability)
	}
	if s.Bottleneck != nil {
		text += "; limited by " + s.Bottleneck.Component
	}
	return text
}

// stageName writes a row's name, ending at x, with the mark of an invalid one.
func (c *canvas) stageName(s *result.Stage, x, y float64) {
	c.text("name", "end", x, y, s.Name)
	if !s.Valid {
		c.text("warn", "end", x, y+14, "INVALID")
	}
}

// beside writes at a bar's end: in it where there is no room after it.
func (c *canvas) beside(left, y, length float64, s string) {
	if left+length+textWidth(s)+8 > c.width {
		c.text("inside", "end", left+length-6, y, s)
		return
	}
	c.text("label", "start", left+length+6, y, s)
}

// costPlot shows every component's CPU time per request, stacked. Empty when
// nothing is known.
func costPlot(r *result.Result) string {
	roles := r.Roles()
	top := 0.0
	for i := range r.Stages {
		if t := r.Stages[i].CPUTotalUS(); t != nil {
			top = max(top, *t)
		}
	}
	if top == 0 {
		return ""
	}
	const rowHeight = 34.0
	left := nameRoom(r)
	ticks := niceTicks(top, 5)
	scale := (plotWidth - left - 24) / ticks[len(ticks)-1]
	var legend []swatch
	for i, role := range roles {
		legend = append(legend, swatch{series(i), role})
	}
	// The legend's height is known only once it is written.
	head := newCanvas(0, "", "").legend(left, legend) + 4
	bottom := head + rowHeight*float64(len(r.Stages))
	c := newCanvas(bottom+36, "CPU time per request by component, us",
		"Each stage is a bar from zero, the components stacked in the order of the legend.")
	c.legend(left, legend)
	for _, t := range ticks {
		c.line("grid", left+t*scale, head-4, left+t*scale, bottom, "")
		c.text("tick", "middle", left+t*scale, bottom+16, short(t))
	}
	c.text("tick", "end", plotWidth-4, bottom+31, "CPU us per request")
	for i := range r.Stages {
		s := &r.Stages[i]
		x, y := left, head+rowHeight*float64(i)
		c.stageName(s, left-8, y+15)
		for j, role := range roles {
			us, ok := s.CPUPerRequestUS[role]
			if ok {
				c.rect(series(j)+" part", x, y, us*scale, 20, fmt.Sprintf("%s, %s: %s us per request", stageLabel(s), role, figure.Rounded(us)))
				x += us * scale
			}
		}
		if t := s.CPUTotalUS(); t != nil {
			c.beside(left, y+15, x-left, figure.Rounded(*t))
		}
	}
	c.line("axis", left, head-4, left, bottom, "")
	return c.end()
}

// series is the class of the i-th series' colour; there are eight.
func series(i int) string { return fmt.Sprintf("s%d", i%8) }

// short is an axis's number: 12k, 250.
func short(v float64) string {
	if v >= 1000 {
		return figure.TrimZeros(fmt.Sprintf("%.2f", v/1000)) + "k"
	}
	return figure.TrimZeros(fmt.Sprintf("%.3f", v))
}

// LadderSVG writes the ladder as a picture of its own, with its style inside,
// for a README. The Result must be settled.
func LadderSVG(w io.Writer, r *result.Result) error {
	plot := ladderPlot(r, wideWidth)
	if plot == "" {
		c := newCanvasOf(wideWidth, 60, "Capacity of every stage", "")
		c.text("label", "middle", wideWidth/2, 34, "no stage was measured")
		plot = c.end()
	}
	return withStyle(w, plot)
}
