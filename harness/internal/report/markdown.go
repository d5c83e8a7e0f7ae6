package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Markdown writes the report for people who read text. The Result must be
// settled.
func Markdown(w io.Writer, r *Result) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s: %s\n\n%s\n\n", cell(r.Scenario), verdict(r.Valid), cell(r.subtitle()))
	bullets(b, r.InvalidReasons)
	fmt.Fprintf(b, "**%s**\n\n", cell(r.headline()))
	for _, p := range r.firstParts() {
		partMarkdown(b, p)
	}
	table(b, r.summary())
	for _, s := range r.ladder() {
		if s.Note != "" {
			fmt.Fprintf(b, "- %s: %s.\n\n", cell(s.Name), cell(s.Note))
		}
	}
	if r.Ceiling != nil {
		fmt.Fprintf(b, "The null server in the same lab and run: %s QPS.\n\n", figure(r.Ceiling.QPS))
	}
	table(b, r.beside())
	for i := range r.Stages {
		if p := r.Stages[i].Published; p != nil {
			for _, remark := range p.Remarks {
				fmt.Fprintf(b, "- Published, %s: %s.\n", cell(r.Stages[i].Name), cell(remark))
			}
		}
	}
	fmt.Fprintln(b)
	table(b, r.latencies())
	table(b, r.costs())
	for _, p := range r.lastParts() {
		partMarkdown(b, p)
	}
	fmt.Fprintf(b, "## Validity\n\n%s\n\n", r.validity())
	table(b, r.troubles())
	for i := range r.Stages {
		stageMarkdown(b, &r.Stages[i], r.Manifest.Stages[r.Stages[i].Name])
	}
	fmt.Fprint(b, "## Manifest\n\n")
	list(b, r.Manifest.facts())
	fmt.Fprintf(b, "- run: %s\n", cell(r.RunID))
	return b.Flush()
}

// partMarkdown writes a part, without its plots.
func partMarkdown(b *bufio.Writer, p part) {
	fmt.Fprintf(b, "## %s\n\n", cell(p.Title))
	if p.Lead != "" {
		fmt.Fprintf(b, "**%s**\n\n", cell(p.Lead))
	}
	for _, note := range p.Notes {
		fmt.Fprintf(b, "- %s\n", cell(note))
	}
	if len(p.Notes) > 0 {
		fmt.Fprintln(b)
	}
	for _, d := range p.Plots {
		if d.File != "" {
			fmt.Fprintf(b, "![%s](%s)\n\n", cell(d.Caption), d.File)
		}
	}
	for _, g := range p.Grids {
		table(b, g)
	}
}

func stageMarkdown(b *bufio.Writer, s *Stage, m StageManifest) {
	fmt.Fprintf(b, "## Stage %s: %s\n\n", cell(s.Name), verdict(s.Valid))
	bullets(b, s.InvalidReasons)
	if len(s.Changes) > 0 {
		fmt.Fprintf(b, "Changes: %s.\n\n", cell(strings.Join(s.Changes, ", ")))
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(b, "> Warning: %s\n\n", cell(warning))
	}
	list(b, s.facts())
	fmt.Fprintln(b)
	table(b, s.countries())
	table(b, outcomes("Consumers", "group", s.Consumers))
	table(b, outcomes("Requests", "request", s.Mix))
	table(b, s.checks())
	table(b, m.nodes())
	if len(m.Links) > 0 {
		fmt.Fprintf(b, "Links: %s.\n\n", cell(each(m.Links, plain)))
	}
}

func verdict(valid bool) string {
	if valid {
		return "valid"
	}
	return "INVALID"
}

func bullets(b *bufio.Writer, reasons []string) {
	for _, why := range reasons {
		fmt.Fprintf(b, "- **INVALID**: %s\n", cell(why))
	}
	if len(reasons) > 0 {
		fmt.Fprintln(b)
	}
}

func list(b *bufio.Writer, facts []fact) {
	for _, f := range facts {
		fmt.Fprintf(b, "- %s: %s\n", cell(f.Name), cell(f.Value))
	}
}

// table writes a grid, nothing for an empty one.
func table(b *bufio.Writer, g grid) {
	if g.empty() {
		return
	}
	fmt.Fprintf(b, "### %s\n\n|", g.Title)
	for _, h := range g.Heads {
		fmt.Fprintf(b, " %s |", cell(h))
	}
	fmt.Fprint(b, "\n|")
	for i := range g.Heads {
		if i < len(g.Text) && g.Text[i] {
			fmt.Fprint(b, " --- |")
		} else {
			fmt.Fprint(b, " ---: |")
		}
	}
	for _, row := range g.Rows {
		fmt.Fprint(b, "\n|")
		for _, c := range row {
			fmt.Fprintf(b, " %s |", cell(c))
		}
	}
	fmt.Fprint(b, "\n\n")
	if g.Note != "" {
		fmt.Fprintf(b, "%s\n\n", g.Note)
	}
}

// cell keeps text from a lab (an error, a command line) from becoming markup.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "`", "\\`", "[", `\[`).Replace(line(s))
}
