package history

import (
	"fmt"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// heads are the columns of a group's table.
func heads() []string {
	return []string{"metric", "runs", "newest", "trend", "newest change"}
}

// row is a series in the table. The newest figure is the median since the last
// change, or of all points.
func (s *Series) row() []string {
	newest := s.Points
	change := "none"
	switch n := len(s.Changes); {
	case n > 0:
		c := &s.Changes[n-1]
		newest = s.Points[c.Index:]
		change = s.verdictText(c) + " since " + c.At.UTC().Format("2006-01-02")
		if n > 1 {
			change += fmt.Sprintf(" (of %d)", n)
		}
	case !s.Judged:
		change = fmt.Sprintf("trend only: change points want %d runs", stats.MinSeries)
	}
	values := make([]float64, len(newest))
	for i, p := range newest {
		values[i] = p.Value
	}
	return []string{s.Metric.Name, fmt.Sprint(len(s.Points)), s.Metric.text(stats.Median(values)), s.trendText(), change}
}

func (s *Series) trendText() string {
	switch {
	case s.Trend == nil:
		return figure.NA
	case s.Metric.Share:
		return pointsText(*s.Trend)
	}
	return fmt.Sprintf("%+.1f%%", 100*(*s.Trend-1))
}

// pointsText is a difference of shares.
func pointsText(v float64) string { return fmt.Sprintf("%+.2g points of %%", 100*v) }

// verdictText is a change in a few words: "worse, 1.10x (1.07x to 1.13x)".
func (s *Series) verdictText(c *Change) string {
	text := string(c.Verdict)
	if !c.Sure {
		text += "?"
	}
	return text + ", " + s.effectText(&c.Effect)
}

func (s *Series) effectText(e *Effect) string {
	of := func(v float64) string { return fmt.Sprintf("%.3gx", v) }
	if s.Metric.Share {
		of = pointsText
	}
	if e.Low == nil {
		return of(e.Value) + " (too few runs for an interval)"
	}
	return fmt.Sprintf("%s (%s to %s)", of(e.Value), of(*e.Low), of(*e.High))
}

// changeText is a change with its figures.
func (s *Series) changeText(c *Change) string {
	text := fmt.Sprintf("%s: %s, from %s to %s, at run %d of %d, p %.2g", s.Metric.Name, s.verdictText(c),
		s.Metric.text(c.Before), s.Metric.text(c.After), c.Index+1, len(s.Points), c.P)
	if c.Verdict == Unclear && c.Effect.Low != nil {
		text += "; the interval has both sides: it may be the spread that changed"
	}
	return text
}

// lines are what is to be examined, each on a line.
func (b *Blame) lines() []string {
	var out []string
	if b.Command != "" {
		out = append(out, b.Command)
	}
	out = append(out, b.Notes...)
	for _, d := range b.Differences {
		out = append(out, fmt.Sprintf("also not the same: %s, %s before and %s after", d.Name, figure.Quoted(d.First), figure.Quoted(d.Second)))
	}
	for i := range out {
		out[i] = line(out[i])
	}
	return out
}

// Summary says what was read and found, in sentences.
func (h *History) Summary() []string {
	changes, sure := 0, 0
	for _, s := range h.series() {
		for i := range s.Changes {
			changes++
			if s.Changes[i].Sure {
				sure++
			}
		}
	}
	found := "no change points"
	if changes > 0 {
		found = fmt.Sprintf("%s, %d beyond chance", counted(changes, "change point"), sure)
	}
	out := []string{fmt.Sprintf("%s, %s in %s of stages: %s", counted(h.Left.Runs, "run"), counted(len(h.series()), "series"),
		counted(len(h.Groups), "group"), found)}
	if h.Judged > 0 {
		out = append(out, fmt.Sprintf("a change with a ? may be chance: at a level of %s, %.2g of %s without any change would show one",
			figure.Percent(h.Level), h.Level*float64(h.Judged), counted(h.Judged, "series")))
	}
	var left []string
	for _, l := range []struct {
		n    int
		what string
	}{
		{h.Left.Invalid, "invalid stage"},
		{h.Left.OtherArms, "base stage of a gate (built from another commit than the manifest's)"},
		{h.Left.Unmeasured, "arm without figures"},
		{h.Left.Duplicates, "copy of a run"},
		{len(h.Left.Unreadable), "unreadable file"},
	} {
		if l.n > 0 {
			left = append(left, fmt.Sprintf("%s: %d", l.what, l.n))
		}
	}
	if len(left) > 0 {
		out = append(out, "left out: "+strings.Join(left, "; "))
	}
	if machines := h.machines(); len(machines) > 1 {
		out = append(out, "never mixed, because figures of different machines cannot be compared: "+strings.Join(machines, "; "))
	}
	return out
}

func (h *History) machines() (out []string) {
	seen := map[string]bool{}
	for _, g := range h.Groups {
		if !seen[g.Machine] {
			seen[g.Machine] = true
			out = append(out, g.Machine)
		}
	}
	return out
}

// counted is a number of things; the plural of series is the same.
func counted(n int, what string) string {
	if n == 1 || what == "series" {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// line keeps what came from a file on one line and free of escape codes.
func line(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}
