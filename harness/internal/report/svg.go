package report

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
)

// The size of a plot's coordinate system. It is narrow on purpose: a phone
// shows it nearly at its own size, so that the text stays readable. A picture
// that stands alone is wider.
const (
	plotWidth  = 400.0
	plotHeight = 260.0
	wideWidth  = 760.0
)

// canvas collects SVG elements. Colours are CSS classes, never attributes, so
// that one style serves light, dark and print.
type canvas struct {
	strings.Builder
	width, height float64
}

// newCanvas begins a plot of plotWidth. Its title and its description, which
// may be empty, are for screen readers.
func newCanvas(height float64, title, description string) *canvas {
	return newCanvasOf(plotWidth, height, title, description)
}

func newCanvasOf(width, height float64, title, description string) *canvas {
	c := &canvas{width: width, height: height}
	fmt.Fprintf(c, `<svg class="plot" viewBox="0 0 %s %s" role="img" xmlns="http://www.w3.org/2000/svg"><title>%s</title>`,
		coord(c.width), coord(c.height), esc(title))
	if description != "" {
		fmt.Fprintf(c, `<desc>%s</desc>`, esc(description))
	}
	return c
}

func (c *canvas) end() string {
	c.WriteString("</svg>")
	return c.String()
}

// coord is a coordinate with as many digits as a screen can show.
func coord(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	return figure.TrimZeros(strconv.FormatFloat(v, 'f', 2, 64))
}

func esc(s string) string { return html.EscapeString(line(s)) }

// tip is what a pointer that rests on an element shows.
func tip(s string) string {
	if s == "" {
		return ""
	}
	return "<title>" + esc(s) + "</title>"
}

func (c *canvas) rect(class string, x, y, w, h float64, hover string) {
	if w <= 0 || h <= 0 {
		return
	}
	fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s">%s</rect>`, class, coord(x), coord(y), coord(w), coord(h),
		tip(hover))
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64, hover string) {
	fmt.Fprintf(c, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s">%s</line>`, class, coord(x1), coord(y1), coord(x2), coord(y2), tip(hover))
}

// text writes at (x, y); anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	fmt.Fprintf(c, `<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`, class, anchor, coord(x), coord(y), esc(s))
}

func (c *canvas) dot(class string, x, y, r float64, hover string) {
	fmt.Fprintf(c, `<circle class="%s" cx="%s" cy="%s" r="%s">%s</circle>`, class, coord(x), coord(y), coord(r), tip(hover))
}

// point is a place on a canvas.
type point struct{ x, y float64 }

func (c *canvas) path(class string, points []point, closed bool) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(c, `<path class="%s" d="%s"/>`, class, outline(points, closed))
}

// outline is a path's d.
func outline(points []point, closed bool) string {
	var d strings.Builder
	for i, p := range points {
		if i == 0 {
			d.WriteByte('M')
		} else {
			d.WriteByte('L')
		}
		d.WriteString(coord(p.x) + " " + coord(p.y))
	}
	if closed {
		d.WriteByte('Z')
	}
	return d.String()
}

// swatch is one entry of a legend.
type swatch struct{ class, name string }

// legend writes entries at the top in rows from x, and returns the y below it.
func (c *canvas) legend(x float64, entries []swatch) float64 {
	at, y := x, 16.0
	for _, e := range entries {
		w := 30 + textWidth(e.name)
		if at > x && at+w > c.width {
			at, y = x, y+18
		}
		c.rect(e.class, at, y-9, 11, 11, "")
		c.text("label", "start", at+16, y, e.name)
		at += w
	}
	return y + 18
}

// shapedLegend is a legend of lines: each with the shape that marks its points,
// so that colour is not all that tells them apart.
func (c *canvas) shapedLegend(x float64, entries []swatch) float64 {
	at, y := x, 16.0
	for i, e := range entries {
		w := 30 + textWidth(e.name)
		if at > x && at+w > c.width {
			at, y = x, y+18
		}
		c.shape(e.class, shapeOf(e.class, i), at+5, y-4, 5, "")
		c.text("label", "start", at+16, y, e.name)
		at += w
	}
	return y + 18
}

// shapeOf is the shape that goes with a series' class, s0 to s7.
func shapeOf(class string, otherwise int) int {
	if len(class) == 2 && class[0] == 's' && class[1] >= '0' && class[1] <= '7' {
		return int(class[1] - '0')
	}
	return otherwise
}

// shape marks a point: circle, square, triangle, diamond, and the triangle
// upside down, in turn.
func (c *canvas) shape(class string, kind int, x, y, r float64, hover string) {
	var corners []point
	switch kind % 5 {
	case 0:
		c.dot(class, x, y, r, hover)
		return
	case 1:
		h := r * 0.9
		corners = []point{{x - h, y - h}, {x + h, y - h}, {x + h, y + h}, {x - h, y + h}}
	case 2:
		corners = []point{{x, y - r*1.2}, {x + r*1.1, y + r*0.8}, {x - r*1.1, y + r*0.8}}
	case 3:
		corners = []point{{x, y - r*1.3}, {x + r*1.3, y}, {x, y + r*1.3}, {x - r*1.3, y}}
	default:
		corners = []point{{x, y + r*1.2}, {x + r*1.1, y - r*0.8}, {x - r*1.1, y - r*0.8}}
	}
	fmt.Fprintf(c, `<path class="%s" d="%s">%s</path>`, class, outline(corners, true), tip(hover))
}

// textWidth is about how wide a text of the plots' size is.
func textWidth(s string) float64 { return 6.8 * float64(len([]rune(s))) }

// nameWidth is about how wide a name is, which is bold.
func nameWidth(s string) float64 { return 7.6 * float64(len([]rune(s))) }

// niceTicks are at most n+1 round steps from 0 to a value not below top.
func niceTicks(top float64, n int) []float64 {
	if !(top > 0) || math.IsInf(top, 0) {
		return []float64{0, 1}
	}
	step := math.Pow(10, math.Floor(math.Log10(top/float64(n))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step*m*float64(n) >= top*(1-1e-9) {
			step *= m
			break
		}
	}
	var out []float64
	for i := 0; ; i++ {
		v := float64(i) * step
		out = append(out, v)
		if v >= top*(1-1e-9) || i > 2*n {
			return out
		}
	}
}

// logTicks are powers of ten that enclose low to high.
func logTicks(low, high float64) []float64 {
	if !(low > 0) || !(high >= low) || math.IsInf(high, 0) {
		return []float64{1, 10}
	}
	var out []float64
	for e := math.Floor(math.Log10(low)); ; e++ {
		out = append(out, math.Pow(10, e))
		if math.Pow(10, e) >= high && len(out) > 1 || len(out) > 12 {
			return out
		}
	}
}
