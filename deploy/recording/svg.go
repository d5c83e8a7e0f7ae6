package main

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"
)

// The size of a character cell, in pixels.
const (
	cellWidth  = 8.6 // the widest of the fonts named
	cellHeight = 18.0
	margin     = 14.0
	// lastFor is how long the last screen stays before the recording begins again.
	lastFor = 6 * time.Second
)

// drawing is how frames become a picture.
type drawing struct {
	columns, lines int
	speed          float64
}

// palette are the colours of SGR 30 to 37; bright ones are the same.
var palette = [8]string{"#6e7681", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#e6edf3"}

// svg draws the frames one after another, for ever. A viewer without animations shows the last.
func (d drawing) svg(frames []frame, title string) string {
	w := float64(d.columns)*cellWidth + 2*margin
	h := float64(d.lines)*cellHeight + 2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`+"\n", w, h,
		html.EscapeString("Terminal recording of: "+title))
	b.WriteString("<style>\ntext{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}\n" +
		".f{visibility:hidden}.f:last-of-type{visibility:visible}\n")
	total := d.ends(frames, len(frames)-1)
	b.WriteString("@media (prefers-reduced-motion:no-preference){.f:last-of-type{visibility:hidden}\n")
	for i := range frames {
		from, to := d.begins(frames, i)/total*100, d.ends(frames, i)/total*100
		fmt.Fprintf(&b, "@keyframes k%d{0%%{visibility:hidden}%.3f%%{visibility:visible}%.3f%%{visibility:hidden}}"+
			"#f%d{animation:k%d %.2fs step-end infinite}\n", i, from, to, i, i, total)
	}
	fmt.Fprintf(&b, "}\n</style>\n"+`<rect width="%.0f" height="%.0f" rx="8" fill="#0d1117"/>`+"\n", w, h)
	for i, f := range frames {
		fmt.Fprintf(&b, `<g class="f" id="f%d">`+"\n", i)
		for n, row := range f.rows {
			if spans := spansOf(row); spans != "" {
				fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" xml:space="preserve">%s</text>`+"\n", margin, margin+cellHeight*(float64(n)+0.8), spans)
			}
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// begins is when a frame is shown, in seconds of the recording.
func (d drawing) begins(frames []frame, i int) float64 {
	if i == 0 {
		return 0
	}
	return frames[i].at.Seconds() / d.speed
}

// ends is when the next one is.
func (d drawing) ends(frames []frame, i int) float64 {
	if i+1 < len(frames) {
		return d.begins(frames, i+1)
	}
	return d.begins(frames, i) + lastFor.Seconds()
}

// spansOf is a row of the screen as tspans. Only colours, bold and dim are kept.
func spansOf(row string) string {
	var b strings.Builder
	var now style
	for row != "" {
		before, rest, found := strings.Cut(row, "\x1b[")
		now.write(&b, before)
		if !found {
			break
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			break
		}
		if rest[end] == 'm' {
			now.set(rest[:end])
		}
		row = rest[end+1:]
	}
	return strings.TrimRight(b.String(), " ")
}

// style is how characters look.
type style struct {
	colour    string
	bold, dim bool
}

// set changes the style by an SGR sequence.
func (s *style) set(codes string) {
	for code := range strings.SplitSeq(codes, ";") {
		n, _ := strconv.Atoi(code) // an empty one is 0
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.dim = true
		case n == 22:
			s.bold, s.dim = false, false
		case n >= 30 && n <= 37:
			s.colour = palette[n-30]
		case n >= 90 && n <= 97:
			s.colour = palette[n-90]
		case n == 39:
			s.colour = ""
		}
	}
}

func (s *style) write(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	var attributes string
	if s.colour != "" {
		attributes += ` fill="` + s.colour + `"`
	}
	if s.bold {
		attributes += ` font-weight="bold"`
	}
	if s.dim {
		attributes += ` opacity="0.7"`
	}
	if attributes == "" {
		b.WriteString(html.EscapeString(text))
		return
	}
	fmt.Fprintf(b, "<tspan%s>%s</tspan>", attributes, html.EscapeString(text))
}
