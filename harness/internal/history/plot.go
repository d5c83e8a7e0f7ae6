package history

import (
	"fmt"
	"math"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/stats"
)

// The size of a plot's coordinate system, and its margins.
const (
	plotWidth  = 400.0
	plotHeight = 150.0
	plotLeft   = 62.0
	plotRight  = 12.0
	plotTop    = 12.0
	plotBottom = 28.0
)

// plot is a series as the template draws it: all in coordinates of an SVG.
type plot struct {
	Caption, Title  string
	Width, Height   float64
	Left, Right     float64 // of the plotted area
	Top, Bottom     float64
	Ticks           []tick
	From, To        string // dates of the first and the last point
	Line            string // points of a polyline
	Dots            []dot
	Marks, Segments []segment
}

type tick struct {
	Y    float64
	Text string
}

type dot struct {
	X, Y        float64
	Class, Text string
}

// segment is a line: of a change point upright, of the median between two of
// them level.
type segment struct {
	X1, X2, Y float64
	Class     string
	Text      string
}

// newPlot is of a series of two points or more. Points are at equal distances,
// in the order of time, for the change points are found in the order.
func newPlot(s *Series) plot {
	n := len(s.Points)
	low, high := s.room()
	x := func(i float64) float64 {
		return round(plotLeft + 6 + i*(plotWidth-plotLeft-plotRight-12)/float64(n-1))
	}
	y := func(v float64) float64 {
		return round(plotHeight - plotBottom - (v-low)/(high-low)*(plotHeight-plotTop-plotBottom))
	}
	p := plot{
		Caption: s.Metric.Name + ", " + s.Metric.Unit,
		Title:   fmt.Sprintf("%s of %d runs, %d change points", s.Metric.Name, n, len(s.Changes)),
		Width:   plotWidth, Height: plotHeight, Left: plotLeft, Right: plotWidth - plotRight, Top: plotTop, Bottom: plotHeight - plotBottom,
		From: s.Points[0].At.UTC().Format("2006-01-02"), To: s.Points[n-1].At.UTC().Format("2006-01-02"),
	}
	for _, v := range []float64{low, (low + high) / 2, high} {
		p.Ticks = append(p.Ticks, tick{Y: y(v), Text: s.Metric.text(v)})
	}
	var points []string
	for i := range s.Points {
		at := &s.Points[i]
		d := dot{X: x(float64(i)), Y: y(at.Value), Class: "s0", Text: s.pointText(i)}
		points = append(points, fmt.Sprintf("%v,%v", d.X, d.Y))
		if at.Dirty {
			d.Class = "dirty"
		}
		p.Dots = append(p.Dots, d)
	}
	p.Line = strings.Join(points, " ")
	from := 0
	for i := range s.Changes {
		c := &s.Changes[i]
		at := x(float64(c.Index) - 0.5)
		p.Marks = append(p.Marks, segment{X1: at, X2: at, Class: c.class(), Text: s.changeText(c)})
		p.Segments = append(p.Segments, s.level(from, c.Index, x, y))
		from = c.Index
	}
	p.Segments = append(p.Segments, s.level(from, n, x, y))
	return p
}

// room is the range of the axis: that of the values, widened to be no less than
// a tenth of them, so that noise of 1% does not look like a mountain.
func (s *Series) room() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	least := 0.1 * high
	if s.Metric.Share {
		least = max(least, 0.001)
	}
	if lack := least - (high - low); lack > 0 {
		low, high = max(0, low-lack/2), high+lack/2
	}
	return low, high
}

// level is the median of the points from one index to before another.
func (s *Series) level(from, to int, x, y func(float64) float64) segment {
	var values []float64
	for _, p := range s.Points[from:to] {
		values = append(values, p.Value)
	}
	median := stats.Median(values)
	return segment{
		X1: x(float64(from) - 0.3), X2: x(float64(to-1) + 0.3), Y: y(median),
		Text: fmt.Sprintf("median of runs %d to %d: %s", from+1, to, s.Metric.text(median)),
	}
}

func (s *Series) pointText(i int) string {
	p := &s.Points[i]
	text := fmt.Sprintf("run %d, %s: %s", i+1, p.At.UTC().Format("2006-01-02 15:04"), s.Metric.text(p.Value))
	if p.Commit != "" {
		text += ", commit " + line(short(p.Commit))
	}
	if p.Dirty {
		text += " with changes that were not committed"
	}
	return text
}

// round keeps as many digits as a screen can show.
func round(v float64) float64 { return math.Round(v*100) / 100 }
