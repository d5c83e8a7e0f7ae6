package report

import (
	"crypto/sha256"
	_ "embed" // the page, its style and its script
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

//go:embed colours.css
var colourSheet string

//go:embed plot.css
var plotSheet string

//go:embed page.css
var pageSheet string

//go:embed page.js
var pageScript string

//go:embed page.html.tmpl
var pageText string

// page is what the template sees: grids, facts and plots, all decided in Go.
type page struct {
	*result.Result
	Style              template.CSS
	Script             template.JS
	Policy             string
	Subtitle, Headline string
	Tiles              []tile
	Limits             []fact
	CeilingQPS         string
	Notes, Remarks     []string
	LadderPlot         template.HTML
	Summary, Beside    grid
	First, Last        []part
	Overview           []drawing
	Latencies, Costs   grid
	Sections           []section
	Validity           string
	Checked            bool
	Troubles           grid
	ManifestFacts      []fact
}

// section is one stage's part of the page.
type section struct {
	*result.Stage
	ID                                           string
	Facts                                        []fact
	ByCountry, Consumers, Mix, Checks, NodesGrid grid
	Segments, Soak, Traces                       grid
	Links                                        string
	Times                                        []drawing
}

// Style is the style sheet of the report's page: for other pages that are to
// look like it.
func Style() string { return colourSheet + plotSheet + pageSheet }

// HTML writes the report as one page that needs nothing beside it: style,
// script and plots are inside, and its own policy lets the browser load nothing
// else. The Result must be settled.
func HTML(w io.Writer, r *result.Result) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"left": left, "standing": func(valid bool, warnings []string) standing { return standingOf(valid, len(warnings)) },
		"head":    func(g grid) int { return max(g.Level, 3) },
		"changes": changes,
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	p := page{
		Result: r, Style: template.CSS(Style()), Script: template.JS(pageScript), //nolint:gosec // embedded, not foreign
		Policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'",
			digest(Style()), digest(pageScript)),
		Subtitle: subtitle(r), Headline: headline(r), Tiles: keyTiles(r), Limits: limitFacts(r),
		LadderPlot: markup(ladderPlot(r, plotWidth)), Summary: summaryGrid(r), Beside: publishedGrid(r),
		First: firstParts(r), Last: lastParts(r),
		Latencies: latencyGrid(r), Costs: costGrid(r),
		Validity: validityText(r), Troubles: troubleGrid(r), ManifestFacts: manifestFacts(&r.Manifest),
	}
	if r.Ceiling != nil {
		p.CeilingQPS = figure.Rounded(r.Ceiling.QPS)
	}
	var overview part
	overview.draw("Latency by percentile, open-loop, corrected", percentilePlot(r))
	overview.draw("CPU per request, by component", costPlot(r))
	p.Overview = overview.Plots
	for i, s := range r.Ladder() {
		if note := replicaNote(s); note != "" {
			p.Notes = append(p.Notes, s.Name+": "+note)
		}
		if s.Published != nil {
			for _, remark := range s.Published.Remarks {
				p.Remarks = append(p.Remarks, s.Name+": "+remark)
			}
		}
		p.Checked = p.Checked || len(s.Checks) > 0
		p.Sections = append(p.Sections, newSection(r, i, s.Stage))
	}
	return t.Execute(w, p)
}

// digest is what a content security policy knows a text by.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func newSection(r *result.Result, i int, s *result.Stage) section {
	m := r.Manifest.Stages[s.Name]
	open, _, _ := scopes(s)
	out := section{
		Stage: s, ID: fmt.Sprintf("stage-%d", i+1), Facts: stageFacts(s), Links: figure.Map(m.Links, figure.Quoted),
		Consumers: outcomes("Consumers"+open, "group", s.Consumers).below(3),
		Mix:       outcomes("Requests"+open, "request", s.Mix).below(3),
		NodesGrid: nodeGrid(m).below(3), ByCountry: countryGrid(s).below(3), Segments: segmentGrid(s).below(3), Soak: soakGrid(s).below(3),
		Traces: traceGrid(s).below(3),
	}
	out.Checks = checkGrid(s).below(2)
	out.Checks.Title = "Checks of " + stageLabel(s)
	var plots part
	for _, a := range s.OpenAttacks() {
		caption := "QPS, latency and errors over time, open-loop"
		if s.LastRound() > 1 {
			caption += fmt.Sprintf(", round %d", a.Round)
		}
		plots.draw(caption, timePlot(s, &a, faultsOf(r, s)))
	}
	out.Times = plots.Plots
	return out
}

// faultsOf are the faults of a stage.
func faultsOf(r *result.Result, s *result.Stage) []result.Fault {
	var out []result.Fault
	for _, f := range r.Faults {
		if f.Stage == s.Name {
			out = append(out, f)
		}
	}
	return out
}

// markup marks a plot as markup: every text in it went through esc.
func markup(svg string) template.HTML { return template.HTML(svg) } //nolint:gosec // see above

// left reports whether a grid's column is text.
func left(g grid, column int) bool { return column < len(g.Text) && g.Text[column] }

// withStyle writes a plot that stands alone, its style inside, on a ground of
// its own: the page around it may be light where the reader's system is dark.
func withStyle(w io.Writer, svg string) error {
	head, tail, _ := strings.Cut(svg, ">")
	_, err := fmt.Fprintf(w,
		"%s font-family=\"system-ui, sans-serif\"><style>%s%s</style><rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>%s\n",
		head, colourSheet, plotSheet, tail)
	return err
}
