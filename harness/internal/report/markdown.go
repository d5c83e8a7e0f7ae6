package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// Markdown writes the report for people who read text. The Result must be
// settled.
func Markdown(w io.Writer, r *result.Result) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s: %s\n\n%s\n\n", cell(r.Scenario), standingOf(r.Valid, len(r.Warnings())).Text, cell(subtitle(r)))
	bullets(b, r.InvalidReasons)
	for _, warning := range r.Warnings() {
		fmt.Fprintf(b, "- Warning: %s\n", cell(warning))
	}
	if len(r.Warnings()) > 0 {
		fmt.Fprintln(b)
	}
	fmt.Fprintf(b, "**%s**\n\n", cell(headline(r)))
	for _, p := range firstParts(r) {
		partMarkdown(b, p)
	}
	markdownTable(b, summaryGrid(r))
	for _, s := range r.Ladder() {
		if note := replicaNote(s); note != "" {
			fmt.Fprintf(b, "- %s: %s.\n\n", cell(s.Name), cell(note))
		}
	}
	if r.Ceiling != nil {
		fmt.Fprintf(b, "The null server in the same lab and run: %s QPS.\n\n", figure.Rounded(r.Ceiling.QPS))
	}
	markdownTable(b, publishedGrid(r))
	for i := range r.Stages {
		if p := r.Stages[i].Published; p != nil {
			for _, remark := range p.Remarks {
				fmt.Fprintf(b, "- Published, %s: %s.\n", cell(r.Stages[i].Name), cell(remark))
			}
		}
	}
	fmt.Fprintln(b)
	markdownTable(b, latencyGrid(r))
	markdownTable(b, costGrid(r))
	for _, p := range lastParts(r) {
		partMarkdown(b, p)
	}
	fmt.Fprintf(b, "## Validity\n\n%s\n\n", validityText(r))
	markdownTable(b, troubleGrid(r))
	for i := range r.Stages {
		stageMarkdown(b, &r.Stages[i], r.Manifest.Stages[r.Stages[i].Name])
	}
	fmt.Fprint(b, "## Manifest\n\n")
	list(b, manifestFacts(&r.Manifest))
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
	for _, g := range slices.Concat(p.Plain, p.Grids) {
		markdownTable(b, g)
	}
}

// changes are a list to which a full stop is added: a scenario's last change may have one.
func changes(list []string) string { return strings.TrimRight(strings.Join(list, ", "), ".") }

func stageMarkdown(b *bufio.Writer, s *result.Stage, m result.StageManifest) {
	fmt.Fprintf(b, "## Stage %s: %s\n\n", cell(s.Name), standingOf(s.Valid, len(s.Warnings)).Text)
	bullets(b, s.InvalidReasons)
	if len(s.Changes) > 0 {
		fmt.Fprintf(b, "Changes: %s.\n\n", cell(changes(s.Changes)))
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(b, "> Warning: %s\n\n", cell(warning))
	}
	list(b, stageFacts(s))
	fmt.Fprintln(b)
	markdownTable(b, countryGrid(s))
	markdownTable(b, segmentGrid(s))
	markdownTable(b, soakGrid(s))
	markdownTable(b, traceGrid(s))
	open, _, _ := scopes(s)
	markdownTable(b, outcomes("Consumers"+open, "group", s.Consumers))
	markdownTable(b, outcomes("Requests"+open, "request", s.Mix))
	markdownTable(b, checkGrid(s))
	markdownTable(b, nodeGrid(m))
	if len(m.Links) > 0 {
		fmt.Fprintf(b, "Links: %s.\n\n", cell(figure.Map(m.Links, figure.Quoted)))
	}
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

// markdownTable writes a grid, nothing for an empty one.
func markdownTable(b *bufio.Writer, g grid) {
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
