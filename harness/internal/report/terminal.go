package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// TableOptions say how the terminal's table looks.
type TableOptions struct {
	Color bool // ANSI colours
	Width int  // columns of the terminal; 0: as many as it takes
}

const (
	ansiRed   = "\x1b[31m"
	ansiBold  = "\x1b[1m"
	ansiReset = "\x1b[0m"
)

// Table writes the summary for a terminal: the ladder, why stages are not valid,
// what limits each, and published figures with remarks. The Result must be
// settled.
func Table(w io.Writer, r *result.Result, o TableOptions) error {
	b := bufio.NewWriter(&lineWrapper{to: w, width: o.Width})
	paint := o.paint
	fitted(b, terminalSummary(r), o)
	stageLines(b, r, paint)
	if r.Overview != nil {
		fitted(b, overviewBrief(r.Overview), o)
		for _, note := range overviewPart(r).Notes {
			fmt.Fprintln(b, paint(ansiRed, line(note)))
		}
	}
	below := func(g grid) {
		if !g.empty() {
			fmt.Fprintln(b)
			fitted(b, g, o)
		}
	}
	for _, g := range []grid{objectiveGrid(r), expectationGrid(r), entryGrid(r), driftGrid(r)} {
		below(g)
	}
	for _, text := range consequences(r) {
		fmt.Fprintf(b, "\n%s\n", line(text))
	}
	g := faultKindGrid(r) // of many faults, each has its row in the report
	if g.empty() {
		g = faultGrid(r)
	}
	below(g)
	below(publishedGrid(r))
	for i := range r.Stages {
		if p := r.Stages[i].Published; p != nil {
			for _, remark := range p.Remarks {
				fmt.Fprintf(b, "published, %s: %s\n", line(r.Stages[i].Name), line(remark))
			}
		}
	}
	fmt.Fprintf(b, "\n%s\n", paint(ansiBold, line(headline(r))))
	if text := objectiveText(r); text != "" {
		fmt.Fprintln(b, paint(ansiBold, text))
	}
	if text := use(r); text != "" {
		fmt.Fprintln(b, text)
	}
	return b.Flush()
}

// use says in one line what the figures of a valid run are good for; empty for a run that is not valid, whose reasons are told above, and
// for one without stages.
func use(r *result.Result) string {
	if !r.Valid || len(r.Stages) == 0 {
		return ""
	}
	text := "valid"
	switch warnings := len(r.Warnings()); {
	case warnings == 1:
		text += ", with 1 warning above"
	case warnings > 1:
		text += fmt.Sprintf(", with %d warnings above", warnings)
	}
	if r.Profile == "smoke" {
		text += "; the smoke profile is too short: do not quote its figures"
	}
	return text
}

// lineWrapper breaks lines that are wider than a terminal between words.
type lineWrapper struct {
	to    io.Writer
	width int // 0: no line is broken
	rest  []byte
}

func (f *lineWrapper) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	end := bytes.LastIndexByte(f.rest, '\n') + 1
	var out strings.Builder
	for l := range strings.Lines(string(f.rest[:end])) {
		l = strings.TrimSuffix(l, "\n")
		if f.width > 0 && text.StringWidthWithoutEscSequences(l) > f.width {
			l = text.WrapSoft(l, f.width)
		}
		out.WriteString(l + "\n")
	}
	f.rest = append([]byte(nil), f.rest[end:]...)
	_, err := io.WriteString(f.to, out.String())
	return len(p), err
}

// Objectives writes the objectives of all stages with what was seen, below an empty line; nothing without objectives.
func Objectives(w io.Writer, r *result.Result, o TableOptions) error {
	b := bufio.NewWriter(w)
	if g := objectiveGrid(r); !g.empty() {
		fmt.Fprintln(b)
		fitted(b, g, o)
	}
	return b.Flush()
}

// paint is a text in a colour, if there are colours.
func (o TableOptions) paint(code, s string) string {
	if !o.Color {
		return s
	}
	return code + s + ansiReset
}

// stageLines says why stages are not valid, and what limits each.
func stageLines(b *bufio.Writer, r *result.Result, paint func(code, s string) string) {
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
	for i := range r.Stages {
		if text := soakText(&r.Stages[i]); text != "" {
			fmt.Fprintf(b, "%s, soak: %s\n", line(r.Stages[i].Name), line(text))
		}
	}
	for _, s := range r.Ladder() {
		if s.Bottleneck != nil {
			fmt.Fprintf(b, "%s is limited by %s\n", line(s.Name), line(bottleneckText(s.Bottleneck)))
		}
		if note := replicaNote(s); note != "" {
			fmt.Fprintf(b, "%s: %s\n", line(s.Name), line(note))
		}
	}
}

// terminalSummary is the summary without the columns that lines below it repeat,
// so that it fits a terminal.
func terminalSummary(r *result.Result) grid {
	g := summaryGrid(r)
	g.Heads = []string{
		"stage", "QPS (closed)", "vs first", "vs prev", "QPS (open)", "p50 ms", "p99 ms", "errors", "avail", "hits",
		"CPU us/req",
	}
	for i, row := range g.Rows {
		g.Rows[i] = row[:len(g.Heads)]
	}
	return g
}

// fitted writes a grid so that it fits the terminal: as a table, without the columns in which nothing is known, or as a list for each row.
func fitted(b *bufio.Writer, g grid, o TableOptions) {
	lines := columns(g)
	if o.Width > 0 && widthOf(lines) > o.Width {
		g = g.compact()
		lines = columns(g)
	}
	if o.Width > 0 && widthOf(lines) > o.Width {
		listed(b, g, o)
		return
	}
	painted(b, g, lines, o.paint)
}

func widthOf(lines []string) int {
	most := 0
	for _, l := range lines {
		most = max(most, text.StringWidth(l))
	}
	return most
}

// listed writes each row as its first cell and the others with their heads below it.
func listed(b *bufio.Writer, g grid, o TableOptions) {
	const lead = "  "
	for i, row := range g.Rows {
		code := ansiBold
		if g.Bad[i] {
			code = ansiRed
		}
		fmt.Fprintln(b, o.paint(code, line(row[0])))
		var parts []string
		for j := 1; j < len(row); j++ {
			if row[j] != "" {
				parts = append(parts, line(g.Heads[j])+": "+line(row[j]))
			}
		}
		told := text.WrapSoft(strings.Join(parts, ", "), max(o.Width-len(lead), 20))
		fmt.Fprintln(b, lead+strings.ReplaceAll(told, "\n", "\n"+lead))
	}
}

// aligned writes a grid in columns, two blanks apart.
func aligned(b *bufio.Writer, g grid, paint func(code, s string) string) {
	painted(b, g, columns(g), paint)
}

// columns are the lines of a grid: its heads and its rows.
func columns(g grid) []string {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.BoxStyle{MiddleVertical: "  "}, Options: table.Options{SeparateColumns: true}})
	t.SuppressTrailingSpaces()
	var columns []table.ColumnConfig
	for i := range g.Heads {
		align := text.AlignRight
		if left(g, i) {
			align = text.AlignLeft
		}
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align})
	}
	t.SetColumnConfigs(columns)
	t.AppendHeader(tableRow(g.Heads))
	for _, row := range g.Rows {
		t.AppendRow(tableRow(row))
	}
	// Every cell is on one line, so the n-th line after the header is the n-th row.
	return strings.Split(t.Render(), "\n")
}

func painted(b *bufio.Writer, g grid, lines []string, paint func(code, s string) string) {
	for i, text := range lines {
		switch {
		case i == 0:
			text = paint(ansiBold, text)
		case g.Bad[i-1]:
			text = paint(ansiRed, text)
		}
		fmt.Fprintln(b, text)
	}
}

// titled writes a grid with its title and note, without colours; nothing for an
// empty one.
func titled(b *bufio.Writer, g grid) {
	if g.empty() {
		return
	}
	fmt.Fprintf(b, "%s\n\n", g.Title)
	aligned(b, g, func(_, s string) string { return s })
	if g.Note != "" {
		fmt.Fprintf(b, "\n%s\n", line(g.Note))
	}
	fmt.Fprintln(b)
}

func tableRow(cells []string) table.Row {
	out := make(table.Row, len(cells))
	for i, c := range cells {
		out[i] = line(c)
	}
	return out
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
