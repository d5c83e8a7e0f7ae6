package report

import (
	"fmt"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// The layout of a plot over time: panels on one axis of seconds.
const (
	timeLeft, timeRight = 44.0, 12.0
	ratePanel           = 104.0
	delayPanel          = 86.0
	badPanel            = 54.0
	panelHead, panelGap = 20.0, 14.0 // the name above a panel, the room below
)

// timePlot shows one attack second by second: successes, latency, and below
// failures and limited requests, each on a scale of its own; marks and the time
// that a fault lasted across all. Empty when there is no series.
func timePlot(stage *result.Stage, a *result.Attack, faults []result.Fault) string {
	if len(a.Series) == 0 {
		return ""
	}
	title := stageLabel(stage) + ", " + a.Model + "-loop"
	if stage.LastRound() > 1 {
		title += ", round " + strconv.Itoa(a.Round)
	}
	of := extentOf(a.Series)
	names := 14 * float64(len(a.Marks))
	if len(a.Marks) > mostNames {
		names = 14
	}
	bottom := names + panelHead + ratePanel
	if of.slow > 0 {
		bottom += panelGap + panelHead + delayPanel
	}
	if of.bad > 0 {
		bottom += panelGap + panelHead + badPanel
	}
	c := newCanvas(bottom+34, "QPS, latency and errors over time: "+title, "One column per second. Faults are dashed lines.")
	x := func(s float64) float64 { return timeLeft + s/of.seconds*(plotWidth-timeLeft-timeRight) }
	c.faultBands(a, faults, x, of.seconds, names, bottom)
	name := "successes/s"
	if a.Series[0].TargetQPS != nil {
		name += "; lines: sent/s, and dashed the offered rate"
	}
	y := c.panel(names, name, ratePanel, of.top, func(scale func(float64) float64, floor float64) {
		c.successes(a.Series, x, scale, floor)
		if a.Series[0].TargetQPS != nil {
			c.sent(a.Series, x, scale)
			c.target(a.Series, x, scale)
		}
	})
	if of.slow > 0 {
		y = c.panel(
			y,
			"ms: p99, and p50 dashed",
			delayPanel,
			of.slow,
			func(scale func(float64) float64, floor float64) { c.delays(a.Series, x, scale, floor) },
		)
	}
	if of.bad > 0 {
		c.panel(y, "failed/s, and limited/s in a lighter colour", badPanel, of.bad,
			func(scale func(float64) float64, floor float64) { c.failures(a.Series, x, scale, floor) })
	}
	for _, t := range niceTicks(of.seconds, 6) {
		if t <= of.seconds {
			c.text("tick", "middle", x(t), bottom+16, short(t))
		}
	}
	c.text("tick", "end", plotWidth-timeRight, bottom+31, "seconds")
	c.marks(a.Marks, x, of.seconds, bottom)
	return c.end()
}

// extent is how far a series goes on each scale.
type extent struct{ seconds, top, bad, slow float64 }

func extentOf(series []result.Second) extent {
	of := extent{seconds: 1}
	for _, s := range series {
		of.seconds, of.top = max(of.seconds, float64(s.Offset+1)), max(of.top, float64(s.Successes))
		if s.TargetQPS != nil {
			of.top = max(of.top, *s.TargetQPS, float64(s.Requests))
		}
		of.bad = max(of.bad, float64(s.Failed+s.Limited))
		if s.P99MS != nil {
			of.slow = max(of.slow, *s.P99MS)
		}
	}
	return of
}

// mostNames is how many marks of a plot have names. The faults of an experiment
// are more, and are named in its timeline.
const mostNames = 8

// marks are dashed lines across all panels, each from its name downwards. The
// names come last, so that no line goes through one.
func (c *canvas) marks(marks []result.Mark, x func(float64) float64, seconds, bottom float64) {
	named := len(marks) <= mostNames
	at := func(i int) (px, y float64) {
		if px, y = x(min(max(marks[i].OffsetS, 0), seconds)), 14; named {
			y = 14 * float64(i+1)
		}
		return px, y
	}
	for i, m := range marks {
		px, y := at(i)
		c.line("mark", px, y-10, px, bottom, fmt.Sprintf("%s at %s s", m.Label, figure.Rounded(m.OffsetS)))
	}
	if !named {
		c.text("warn", "start", 4, 12, fmt.Sprintf("%d faults and recoveries: see the timeline", len(marks)))
		return
	}
	for i, m := range marks {
		px, y := at(i)
		anchor, aside := "start", 4.0
		if px > c.width/2 {
			anchor, aside = "end", -4
		}
		c.text("warn", anchor, px+aside, y-2, fmt.Sprintf("%s (%s s)", m.Label, figure.Rounded(m.OffsetS)))
	}
}

// faultBands shades the time from a fault to the node's recovery.
func (c *canvas) faultBands(a *result.Attack, faults []result.Fault, x func(float64) float64, seconds, top, bottom float64) {
	for _, f := range faults {
		from := f.InjectedAt.Sub(a.BeganAt).Seconds()
		if from < 0 || from > seconds {
			continue // of another round
		}
		to := seconds
		if f.RecoveredAt != nil {
			to = min(f.RecoveredAt.Sub(a.BeganAt).Seconds(), seconds)
		}
		c.rect("broken", x(from), top, x(to)-x(from), bottom-top, "")
	}
}

// panel draws one scale with its name, and what fill puts on it; it returns the
// y at which the next panel may begin.
func (c *canvas) panel(y float64, name string, height, top float64, fill func(scale func(float64) float64, floor float64)) float64 {
	head := y + panelHead
	n := 3
	if height < 70 {
		n = 2
	}
	scale := linearAxis(c, niceTicks(top, n), timeLeft, plotWidth-timeRight, head, head+height)
	c.text("tick", "start", 4, head-8, name)
	fill(scale, head+height)
	return head + height + panelGap
}

// successes is an area of steps: a second's count belongs to all of it.
func (c *canvas) successes(series []result.Second, x, y func(float64) float64, floor float64) {
	area := []point{{x(float64(series[0].Offset)), floor}}
	for _, s := range series {
		v := y(float64(s.Successes))
		area = append(area, point{x(float64(s.Offset)), v}, point{x(float64(s.Offset + 1)), v})
	}
	c.path("area", append(area, point{x(float64(series[len(series)-1].Offset + 1)), floor}), true)
	c.path("line l0", area[1:], false)
	for _, s := range series {
		c.rect("hover", x(float64(s.Offset)), y(float64(s.Successes)), x(1)-x(0), floor-y(float64(s.Successes)), secondText(s))
	}
}

// target is a line of steps: the rate that a shape asks for in each second.
func (c *canvas) target(series []result.Second, x, y func(float64) float64) {
	var steps []point
	for _, s := range series {
		if s.TargetQPS != nil {
			steps = append(steps, point{x(float64(s.Offset)), y(*s.TargetQPS)}, point{x(float64(s.Offset + 1)), y(*s.TargetQPS)})
		}
	}
	c.path("line thin l2", steps, false)
}

// sent is a line of steps: the requests that were due in each second and sent.
func (c *canvas) sent(series []result.Second, x, y func(float64) float64) {
	var steps []point
	for _, s := range series {
		v := y(float64(s.Requests))
		steps = append(steps, point{x(float64(s.Offset)), v}, point{x(float64(s.Offset + 1)), v})
	}
	c.path("line l1", steps, false)
}

// secondText is a second in words.
func secondText(s result.Second) string {
	text := fmt.Sprintf("second %d: %s successes", s.Offset, figure.Count(s.Successes))
	if s.TargetQPS != nil {
		text += ", " + figure.Rounded(*s.TargetQPS) + " asked for"
	}
	if s.P50MS != nil && s.P99MS != nil {
		text += ", p50 " + figure.Millis(*s.P50MS) + ", p99 " + figure.Millis(*s.P99MS)
	}
	if s.Failed > 0 {
		text += ", " + figure.Count(s.Failed) + " failed"
	}
	if s.Limited > 0 {
		text += ", " + figure.Count(s.Limited) + " limited by the gateway"
	}
	if s.Hits != nil && *s.Hits > 0 && s.Requests > 0 {
		text += ", " + figure.Percent(float64(*s.Hits)/float64(s.Requests)) + " cache hits"
	}
	return text
}

// delays are two lines of steps; a second without samples leaves a gap.
func (c *canvas) delays(series []result.Second, x, y func(float64) float64, floor float64) {
	for _, of := range []struct {
		class, name string
		value       func(result.Second) *float64
	}{
		{"line l3", "p99", func(s result.Second) *float64 { return s.P99MS }},
		{"line thin l2", "p50", func(s result.Second) *float64 { return s.P50MS }},
	} {
		var steps []point
		for _, s := range series {
			v := of.value(s)
			if v == nil {
				c.path(of.class, steps, false)
				steps = nil
				continue
			}
			steps = append(steps, point{x(float64(s.Offset)), y(*v)}, point{x(float64(s.Offset + 1)), y(*v)})
		}
		c.path(of.class, steps, false)
	}
	for _, s := range series {
		if s.P99MS != nil && s.P50MS != nil {
			c.rect("hover", x(float64(s.Offset)), y(*s.P99MS), x(1)-x(0), floor-y(*s.P99MS),
				fmt.Sprintf("second %d: p50 %s, p99 %s", s.Offset, figure.Millis(*s.P50MS), figure.Millis(*s.P99MS)))
		}
	}
}

// failures are bars, limited requests on top of failed ones.
func (c *canvas) failures(series []result.Second, x, y func(float64) float64, floor float64) {
	for _, s := range series {
		at, w := x(float64(s.Offset)), (x(1)-x(0))*0.9
		failed := floor - y(float64(s.Failed))
		c.rect("fail", at, floor-failed, w, failed, fmt.Sprintf("second %d: %s failed", s.Offset, figure.Count(s.Failed)))
		limited := floor - y(float64(s.Limited))
		c.rect("limited", at, floor-failed-limited, w, limited,
			fmt.Sprintf("second %d: %s limited by the gateway", s.Offset, figure.Count(s.Limited)))
	}
}
