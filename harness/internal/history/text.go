package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// JSON writes the history as it is.
func JSON(w io.Writer, h *History) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(h)
}

// Table writes the history for a terminal: a table for each group, below it the
// change points with what to look at.
func Table(w io.Writer, h *History) error {
	b := bufio.NewWriter(w)
	for i := range h.Groups {
		g := &h.Groups[i]
		fmt.Fprintln(b, line(g.String()))
		fmt.Fprintln(b, g.table())
		for _, note := range g.Notes {
			fmt.Fprintf(b, "note: %s\n", line(note))
		}
		for j := range g.Series {
			s := &g.Series[j]
			for k := range s.Changes {
				fmt.Fprintln(b, s.changeText(&s.Changes[k]))
				for _, text := range s.Changes[k].Blame.lines() {
					fmt.Fprintf(b, "    %s\n", text)
				}
			}
		}
		fmt.Fprintln(b)
	}
	for _, u := range h.Left.Unreadable {
		fmt.Fprintf(b, "not read: %s: %s\n", line(u.Path), line(u.Problem))
	}
	for _, sentence := range h.Summary() {
		fmt.Fprintln(b, line(sentence))
	}
	return b.Flush()
}

func (g *Group) table() string {
	t := table.NewWriter()
	t.SetStyle(table.Style{Box: table.BoxStyle{MiddleVertical: "  "}, Options: table.Options{SeparateColumns: true}})
	t.SuppressTrailingSpaces()
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	t.AppendHeader(tableRow(heads()))
	for i := range g.Series {
		t.AppendRow(tableRow(g.Series[i].row()))
	}
	return t.Render()
}

func tableRow(cells []string) table.Row {
	out := make(table.Row, len(cells))
	for i, c := range cells {
		out[i] = line(c)
	}
	return out
}

// Markdown writes the history for people who read text, or for the page of a CI job.
func Markdown(w io.Writer, h *History) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, "# History\n\n")
	for _, sentence := range h.Summary() {
		fmt.Fprintf(b, "- %s.\n", cell(sentence))
	}
	for _, u := range h.Left.Unreadable {
		fmt.Fprintf(b, "- Not read: %s: %s\n", cell(u.Path), cell(u.Problem))
	}
	for i := range h.Groups {
		h.Groups[i].markdown(b)
	}
	return b.Flush()
}

func (g *Group) markdown(b *bufio.Writer) {
	fmt.Fprintf(b, "\n## %s\n\n| %s |\n| --- | ---: | ---: | ---: | --- |\n", cell(g.String()), strings.Join(heads(), " | "))
	for i := range g.Series {
		row := g.Series[i].row()
		for j := range row {
			row[j] = cell(row[j])
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(b)
	for _, note := range g.Notes {
		fmt.Fprintf(b, "- Note: %s.\n", cell(note))
	}
	for i := range g.Series {
		s := &g.Series[i]
		for j := range s.Changes {
			c := &s.Changes[j]
			fmt.Fprintf(b, "- %s\n", cell(s.changeText(c)))
			if c.Blame.Command != "" {
				fmt.Fprintf(b, "  - `%s`\n", c.Blame.Command)
			}
			rest := c.Blame
			rest.Command = ""
			for _, text := range rest.lines() {
				fmt.Fprintf(b, "  - %s\n", cell(text))
			}
		}
	}
}

// cell is text that neither ends a cell nor is markup.
func cell(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "`", "\\`", "*", `\*`, "[", `\[`, "_", `\_`).Replace(line(s))
}
