package history

import (
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"github.com/gatelab/gatelab/harness/internal/report"
)

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var pageSheet string

// page is what the template sees.
type page struct {
	Style   template.CSS
	Policy  string
	Summary []string
	Outcome string // class of the summary: fail if anything is worse
	Worse   []string
	Heads   []string
	Unread  []Unreadable
	Groups  []pageGroup
}

type pageGroup struct {
	ID, Title string
	Notes     []string
	Rows      []pageRow
	Changes   []pageChange
	Plots     []plot
}

type pageRow struct {
	Name  string
	Cells []string
	Bad   bool // the newest segment is worse, and that is sure
}

type pageChange struct {
	Text    string
	Command string
	More    []string
	Class   string
}

// HTML writes the history as one page in the style of the reports that needs
// nothing beside it and has no script.
func HTML(w io.Writer, h *History) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}
	style := report.Style() + pageSheet
	sum := sha256.Sum256([]byte(style))
	p := page{
		Style: template.CSS(style), //nolint:gosec // embedded, not foreign
		Policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'",
			base64.StdEncoding.EncodeToString(sum[:])),
		Summary: h.Summary(), Worse: h.Worse(), Heads: heads(), Unread: h.Left.Unreadable, Outcome: "pass",
	}
	if len(p.Worse) > 0 {
		p.Outcome = "fail"
	}
	for i := range h.Groups {
		p.Groups = append(p.Groups, newPageGroup(i, &h.Groups[i]))
	}
	return t.Execute(w, p)
}

func newPageGroup(i int, g *Group) pageGroup {
	out := pageGroup{ID: fmt.Sprintf("group-%d", i+1), Title: line(g.String()), Notes: g.Notes}
	for j := range g.Series {
		s := &g.Series[j]
		row := s.row()
		n := len(s.Changes)
		out.Rows = append(out.Rows, pageRow{Name: row[0], Cells: row[1:], Bad: n > 0 && s.Changes[n-1].Sure && s.Changes[n-1].Verdict == Worse})
		for k := range s.Changes {
			c := &s.Changes[k]
			rest := c.Blame
			rest.Command = ""
			out.Changes = append(out.Changes, pageChange{Text: s.changeText(c), Command: c.Blame.Command, More: rest.lines(), Class: c.class()})
		}
		if len(s.Points) > 1 {
			out.Plots = append(out.Plots, newPlot(s))
		}
	}
	return out
}

// class is the style of a change: only a sure one has a colour.
func (c *Change) class() string {
	if !c.Sure {
		return "change"
	}
	return "change " + string(c.Verdict)
}
