package session

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// view is an attack under way as a terminal shows it: its figures second by second, and the faults at work.
type view struct {
	stage   string
	attack  load.Attack
	last    load.Progress
	seconds []load.Second // in order of their offsets, as far as they were told
	faults  []atWork
}

// atWork is a fault that was injected and has not recovered.
type atWork struct {
	name  string
	since time.Time
}

// mostSeconds bounds what is kept: more than any terminal has columns.
const mostSeconds = 600

// progress takes over an attack's state, which has the last seconds of the series only.
func (v *view) progress(stage string, a load.Attack, p load.Progress) {
	if a.ID != v.attack.ID || stage != v.stage {
		v.seconds = nil
	}
	v.stage, v.attack = stage, a
	v.last = p
	for _, s := range p.Series {
		i, known := slices.BinarySearchFunc(v.seconds, s.Offset, byOffset)
		if known {
			v.seconds[i] = s
		} else {
			v.seconds = slices.Insert(v.seconds, i, s)
		}
	}
	if more := len(v.seconds) - mostSeconds; more > 0 {
		v.seconds = slices.Delete(v.seconds, 0, more)
	}
}

func byOffset(s load.Second, offset int) int { return cmp.Compare(s.Offset, offset) }

// fault takes over a step of a fault.
func (v *view) fault(e Event) {
	name := e.Fault.Kind + " " + e.Fault.Target
	switch e.FaultStep {
	case fault.StepInjected:
		v.faults = append(v.faults, atWork{name: name, since: e.At})
	case fault.StepRecovered:
		v.faults = slices.DeleteFunc(v.faults, func(f atWork) bool { return f.name == name })
	}
}

// settled are the seconds whose requests have been answered, as far as latency says: a request counts in the second in which it was due
// or sent, so that the last ones are not complete.
func (v *view) settled() []load.Second {
	newest := len(v.seconds)
	if !v.last.Ended() && v.last.State != load.Draining {
		now := int(math.Floor((v.last.Elapsed - v.attack.Warmup).Seconds()))
		newest, _ = slices.BinarySearchFunc(v.seconds, now, byOffset)
	}
	var slow time.Duration
	for _, s := range v.seconds[max(0, newest-10):newest] {
		slow = max(slow, s.P50)
	}
	return v.seconds[:max(0, newest-int(slow/time.Second))]
}

// row is one figure of a view: its value now and its course.
type row struct {
	label, value string
	course       []float64 // NaN: not known
	bad          bool
}

// rows are the figures that are known.
func (v *view) rows() []row {
	all := v.settled()
	course := func(of func(load.Second) float64) []float64 {
		out := make([]float64, len(all))
		for i, s := range all {
			out[i] = of(s)
		}
		return out
	}
	unless := func(absent bool, value float64) float64 {
		if absent {
			return math.NaN()
		}
		return value
	}
	var now load.Second
	if len(all) > 0 {
		now = all[len(all)-1]
	}
	rate := row{label: "rate", value: "-", course: course(func(s load.Second) float64 { return float64(s.Successes) })}
	if len(all) > 0 {
		rate.value = grouped(now.Successes) + "/s"
	}
	out := []row{rate}
	if slices.ContainsFunc(all, func(s load.Second) bool { return s.P50 > 0 }) {
		out = append(out,
			row{label: "p50", value: shortOr(now.P50), course: course(func(s load.Second) float64 { return unless(s.P50 == 0, s.P50.Seconds()) })},
			row{label: "p99", value: shortOr(now.P99), course: course(func(s load.Second) float64 { return unless(s.P99 == 0, s.P99.Seconds()) })})
	}
	out = append(out, row{
		label: "errors", value: fmt.Sprintf("%.2f%%", percent(v.last.Failed, v.last.Requests)), bad: v.last.Failed > 0,
		course: course(func(s load.Second) float64 { return unless(s.Requests == 0, percent(s.Failed, s.Requests)) }),
	})
	if slices.ContainsFunc(all, func(s load.Second) bool { return s.Hits > 0 }) {
		out = append(out, row{
			label: "hits", value: fmt.Sprintf("%.1f%%", percent(now.Hits, now.Requests)),
			course: course(func(s load.Second) float64 { return unless(s.Requests == 0, percent(s.Hits, s.Requests)) }),
		})
	}
	return out
}

// line is the view in one line.
func (v *view) line() string {
	p := v.last
	out := fmt.Sprintf("%s %s %s %s/%s", v.stage, v.attack.Model, p.State, p.Elapsed.Truncate(100*time.Millisecond), p.Total)
	for _, r := range v.rows() {
		if r.label == "rate" {
			out += "  " + r.value
			continue
		}
		out += "  " + r.label + " " + r.value
	}
	if len(v.faults) > 0 {
		out += "  faults " + v.faultText(time.Now())
	}
	return out
}

func (v *view) faultText(now time.Time) string {
	var parts []string
	for _, f := range v.faults {
		parts = append(parts, fmt.Sprintf("%s (%.0f s)", f.name, now.Sub(f.since).Seconds()))
	}
	return strings.Join(parts, ", ")
}

// look is how a view is drawn.
type look struct {
	width int
	color bool
	ascii bool // no characters beyond ASCII
}

// Columns of a block: labels, values, and from which width on two figures stand side by side.
const (
	labelWidth = 8
	valueWidth = 11
	indent     = "         "
	wideFrom   = 110
)

// block is the view in several lines, each of them at most as wide as the look.
func (v *view) block(l look) []string {
	p := v.last
	out := []string{l.header(v.stage+" "+v.attack.Model+" "+p.State, p.Elapsed, p.Total)}
	rows := v.rows()
	across := 1
	if l.width >= wideFrom {
		across = 2
	}
	each := (l.width - len(indent)) / across
	for i := 0; i < len(rows); i += across {
		line := indent
		for _, r := range rows[i:min(i+across, len(rows))] {
			line += l.row(r, each)
		}
		out = append(out, text.Trim(line, l.width))
	}
	if len(v.faults) > 0 {
		out = append(out, text.Trim(indent+l.paint(text.FgRed, pad("faults", labelWidth)+v.faultText(time.Now())), l.width))
	}
	return out
}

// header is what is under way and how far it is.
func (l look) header(what string, elapsed, total time.Duration) string {
	times := fmt.Sprintf("  %s/%s ", elapsed.Truncate(100*time.Millisecond), total)
	head := indent + l.paint(text.Bold, what) + times
	bar := min(l.width-text.StringWidthWithoutEscSequences(head)-6, 40)
	if bar < 5 || total <= 0 {
		return text.Trim(head, l.width)
	}
	done := min(float64(elapsed)/float64(total), 1)
	full, empty := "█", "░"
	if l.ascii {
		full, empty = "#", "."
	}
	n := int(done * float64(bar))
	return head + strings.Repeat(full, n) + strings.Repeat(empty, bar-n) + fmt.Sprintf(" %3.0f%%", done*100)
}

// row is one figure with its course in so many columns.
func (l look) row(r row, width int) string {
	value := fmt.Sprintf("%*s  ", valueWidth-2, r.value)
	color := text.FgCyan
	if r.bad {
		color = text.FgRed
		value = l.paint(color, value)
	}
	most := max(width-labelWidth-valueWidth-2, 0)
	spark := l.spark(r.course, most)
	rest := strings.Repeat(" ", max(most-len([]rune(spark)), 0)+2)
	return pad(l.paint(text.Faint, r.label), labelWidth) + value + l.paint(color, spark) + rest
}

func (l look) paint(c text.Color, s string) string {
	if !l.color || s == "" {
		return s
	}
	return c.Sprint(s)
}

// pad fills text up to a width; escape codes count nothing.
func pad(s string, width int) string { return text.Pad(s, width, ' ') }

// spark are the last figures as a line of bars from zero to the greatest of them.
func (l look) spark(course []float64, width int) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	if l.ascii {
		bars = []rune("_.-=+*%#")
	}
	course = course[max(0, len(course)-width):]
	top := 0.0
	for _, v := range course {
		if !math.IsNaN(v) {
			top = max(top, v)
		}
	}
	out := make([]rune, len(course))
	for i, v := range course {
		switch {
		case math.IsNaN(v):
			out[i] = ' '
		case top == 0:
			out[i] = bars[0]
		default:
			out[i] = bars[min(int(v/top*float64(len(bars)-1)+0.5), len(bars)-1)]
		}
	}
	return string(out)
}

// grouped is a number with commas between thousands.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func percent(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(part) / float64(all)
}

// shortOr is short, or a dash for a second without successes.
func shortOr(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return short(d)
}

func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
