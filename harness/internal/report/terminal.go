package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// TableOptions say how the terminal's table looks.
type TableOptions struct {
	Color bool // ANSI colours
}

const (
	ansiRed   = "\x1b[31m"
	ansiBold  = "\x1b[1m"
	ansiReset = "\x1b[0m"
)

// Table writes the summary for a terminal: the ladder, the reasons of what is
// not valid, what limits each stage, and published figures with remarks. The
// Result must be settled.
func Table(w io.Writer, r *Result, o TableOptions) error {
	b := bufio.NewWriter(w)
	paint := func(code, s string) string {
		if !o.Color {
			return s
		}
		return code + s + ansiReset
	}
	aligned(b, r.terminalSummary(), paint)
	for i := range r.Stages {
		s := &r.Stages[i]
		for _, why := range s.InvalidReasons {
			fmt.Fprintf(b, "%s %s: %s\n", paint(ansiRed, "INVALID"), line(s.Name), line(why))
		}
		for _, warning := range s.Warnings {
			fmt.Fprintf(b, "warning %s: %s\n", line(s.Name), line(warning))
		}
	}
	if !r.Valid && len(r.Stages) == 0 {
		fmt.Fprintf(b, "%s %s\n", paint(ansiRed, "INVALID"), line(strings.Join(r.InvalidReasons, "; ")))
	}
	for _, s := range r.ladder() {
		if s.Bottleneck != nil {
			fmt.Fprintf(b, "%s is limited by %s\n", line(s.Name), line(s.Bottleneck.String()))
		}
		if s.Note != "" {
			fmt.Fprintf(b, "%s: %s\n", line(s.Name), line(s.Note))
		}
	}
	if o := r.Overview; o != nil {
		aligned(b, o.brief(), paint)
		for _, note := range r.overviewPart().Notes {
			fmt.Fprintln(b, paint(ansiRed, line(note)))
		}
	}
	for _, g := range []grid{r.expectations(), r.entries(), r.drifts()} {
		if !g.empty() {
			fmt.Fprintln(b)
			aligned(b, g, paint)
		}
	}
	for _, text := range r.consequences() {
		fmt.Fprintf(b, "\n%s\n", line(text))
	}
	g := r.faultKinds() // of many faults, each has its row in the report
	if g.empty() {
		g = r.breaks()
	}
	if !g.empty() {
		fmt.Fprintln(b)
		aligned(b, g, paint)
	}
	if g := r.beside(); !g.empty() {
		fmt.Fprintln(b)
		aligned(b, g, paint)
		for i := range r.Stages {
			if p := r.Stages[i].Published; p != nil {
				for _, remark := range p.Remarks {
					fmt.Fprintf(b, "published, %s: %s\n", line(r.Stages[i].Name), line(remark))
				}
			}
		}
	}
	fmt.Fprintf(b, "\n%s\n", paint(ansiBold, line(r.headline())))
	return b.Flush()
}

// terminalSummary is the summary less what is told in lines below it: a table
// that wraps is no table.
func (r *Result) terminalSummary() grid {
	g := r.summary()
	g.Heads = []string{"stage", "QPS (closed)", "vs first", "vs prev", "QPS (open)", "p50 ms", "p99 ms", "errors", "avail", "hits", "CPU us/req"}
	for i, row := range g.Rows {
		g.Rows[i] = row[:len(g.Heads)]
	}
	return g
}

// aligned writes a grid in columns.
func aligned(b *bufio.Writer, g grid, paint func(code, s string) string) {
	width := make([]int, len(g.Heads))
	for _, row := range append([][]string{g.Heads}, g.Rows...) {
		for i, c := range row {
			row[i] = line(c)
			width[i] = max(width[i], utf8.RuneCountInString(row[i]))
		}
	}
	put := func(row []string) string {
		var out strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i < len(g.Text) && g.Text[i] {
				out.WriteString(c + pad)
			} else {
				out.WriteString(pad + c)
			}
			out.WriteString("  ")
		}
		return strings.TrimRight(out.String(), " ")
	}
	fmt.Fprintln(b, paint(ansiBold, put(g.Heads)))
	for i, row := range g.Rows {
		if text := put(row); g.Bad[i] {
			fmt.Fprintln(b, paint(ansiRed, text))
		} else {
			fmt.Fprintln(b, text)
		}
	}
}

// line keeps what came from a lab on one line and free of escape codes.
func line(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}
