package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// ratioOf is a cell's ratio of a metric; nil if there is none.
func ratioOf(c *result.MatrixCell, name string) *result.MatrixRatio {
	for i := range c.Ratios {
		if c.Ratios[i].Name == name {
			return &c.Ratios[i]
		}
	}
	return nil
}

// matrixText is a cell in a table: its figure and, in brackets, its ratio to the reference's.
func matrixText(m matrixMetric, c *result.MatrixCell) string {
	v := m.of(c)
	if v == nil && c.Outcome == result.CellMeasured {
		return result.CellLacks // the cell has other figures
	}
	if v == nil || c.Outcome == result.CellExcluded {
		return c.Outcome
	}
	text := figure.Rounded(*v)
	if m.name == "qps" && c.Limited {
		text = ">= " + text
	}
	if r := ratioOf(c, m.name); r != nil && r.Low != nil && r.High != nil {
		text += fmt.Sprintf(" (%.2fx, %.2f to %.2f)", r.Ratio, *r.Low, *r.High)
	}
	if c.Outcome != result.CellMeasured {
		text += " " + c.Outcome
	}
	return text
}

// matrixGrid is the matrix of one metric.
func matrixGrid(x *result.Matrix, m matrixMetric) grid {
	g := grid{Title: m.title, Note: m.note, Heads: []string{"policy"}, Text: []bool{true}}
	for _, a := range x.Arms {
		g.Heads = append(g.Heads, a.Name)
	}
	for i := range x.Rows {
		row := &x.Rows[i]
		if !m.has(row) {
			continue
		}
		cells := []string{row.Policy}
		for j := range row.Cells {
			cells = append(cells, matrixText(m, &row.Cells[j]))
		}
		g.add(false, cells...)
	}
	return g
}

// matrixGaps are the cells without figures, or without some, with the reasons.
func matrixGaps(x *result.Matrix) grid {
	g := grid{
		Title: "Cells without a figure or with a remark",
		Heads: []string{"policy", "gateway", "outcome", "why"}, Text: []bool{true, true, true, true},
	}
	for i := range x.Rows {
		for j := range x.Rows[i].Cells {
			if c := &x.Rows[i].Cells[j]; c.Outcome != result.CellMeasured || len(c.Reasons) > 0 {
				g.add(c.Outcome == result.CellInvalid || c.Outcome == result.CellFailed, x.Rows[i].Policy, c.Arm, c.Outcome,
					strings.Join(c.Reasons, "; "))
			}
		}
	}
	return g
}

// matrixArms says what the arms and the policies are.
func matrixArms(x *result.Matrix) grid {
	g := grid{Title: "Gateways", Heads: []string{"gateway", "version", "what it is", "tested here"}, Text: []bool{true, true, true, true}}
	for _, a := range x.Arms {
		tested := "no"
		if a.Tested {
			tested = "yes"
		}
		g.add(false, a.Name, a.Version, a.About, tested)
	}
	return g
}

func matrixPolicies(x *result.Matrix) grid {
	g := grid{
		Title: "Policies", Heads: []string{"policy", "behaviour", "published as", "requests/s, open-loop"}, Text: []bool{true, true, true},
	}
	for i := range x.Rows {
		r := &x.Rows[i]
		g.add(false, r.Policy, r.Summary, r.Published, figure.Rounded(r.OfferedQPS))
	}
	return g
}

// ratioNote says what the ratios are.
func ratioNote(x *result.Matrix) string {
	return "Ratios are relative to " + x.Reference + ". Each is the median of the ratios of the rounds, with its 95% interval," +
		" and not the quotient of two figures of the table. Runs with fewer than six rounds have no ratios"
}

// MatrixMarkdown writes the matrix as tables.
func MatrixMarkdown(w io.Writer, x *result.Matrix) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s.\n\n", cell(ratioNote(x)))
	for _, m := range metricsOf(x) {
		markdownTable(b, matrixGrid(x, m))
	}
	markdownTable(b, matrixGaps(x))
	return b.Flush()
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// matrixSentence is the matrix in a sentence: how often an arm needs less CPU per request than the reference.
func matrixSentence(x *result.Matrix) string {
	if len(x.Arms) == 0 {
		return "No gateway was compared."
	}
	var ratios, told int
	for i := range x.Rows {
		for j := range x.Rows[i].Cells {
			if r := ratioOf(&x.Rows[i].Cells[j], "cpu"); r != nil {
				ratios++
				if r.Low != nil {
					told++
				}
			}
		}
	}
	what := fmt.Sprintf("%s, %s", counted(len(x.Rows), "policy", "policies"), counted(len(x.Arms), "arm", "arms"))
	switch {
	case ratios == 0:
		return what + ": no measurement can be compared with " + x.Reference + "."
	case told == 0:
		return what + ": too few rounds for a ratio to " + x.Reference + "; an interval needs six (profile full)."
	}
	var said []string
	for j, a := range x.Arms {
		var less, more, same int
		for i := range x.Rows {
			switch r := ratioOf(&x.Rows[i].Cells[j], "cpu"); {
			case r == nil:
			case r.High != nil && *r.High < 1:
				less++
			case r.Low != nil && *r.Low > 1:
				more++
			default:
				same++
			}
		}
		if less+more+same > 0 {
			said = append(said, fmt.Sprintf("%s needs less CPU per request with %s, more with %d, undecided with %d",
				a.Name, counted(less, "policy", "policies"), more, same))
		}
	}
	return "Compared with " + x.Reference + ": " + strings.Join(said, "; ") + "."
}

// matrixPart is a comparison of gateways. Empty without one.
func matrixPart(r *result.Result) part {
	x := r.Matrix
	if x == nil {
		return part{}
	}
	p := part{ID: "matrix", Title: "Policies by gateways", Matrices: matrixViews(x)}
	p.Notes = append(p.Notes, ratioNote(x))
	if len(x.NotMeasured) > 0 {
		p.Notes = append(p.Notes, "Not measured in this run: "+strings.Join(x.NotMeasured, ", "))
	}
	for _, m := range metricsOf(x) {
		p.Plain = append(p.Plain, matrixGrid(x, m))
	}
	for _, g := range []grid{matrixGaps(x), matrixArms(x), matrixPolicies(x)} {
		p.tabulate(g)
	}
	return p
}

// matrixView is the matrix of one metric on the page, where colours and hovering tell more than text.
type matrixView struct {
	Title, Note string
	Heads       []string
	Rows        []matrixViewRow
}

type matrixViewRow struct {
	Policy, Summary string
	Cells           []matrixViewCell
}

type matrixViewCell struct{ Text, Ratio, Class, Hover string }

func matrixViews(x *result.Matrix) []matrixView {
	if x == nil {
		return nil
	}
	var out []matrixView
	for _, m := range metricsOf(x) {
		v := matrixView{Title: m.title, Note: m.note}
		for _, a := range x.Arms {
			v.Heads = append(v.Heads, a.Name)
		}
		for i := range x.Rows {
			if !m.has(&x.Rows[i]) {
				continue
			}
			row := matrixViewRow{Policy: x.Rows[i].Policy, Summary: x.Rows[i].Summary}
			for j := range x.Rows[i].Cells {
				row.Cells = append(row.Cells, viewCell(m, &x.Rows[i].Cells[j]))
			}
			v.Rows = append(v.Rows, row)
		}
		out = append(out, v)
	}
	return out
}

func viewCell(m matrixMetric, c *result.MatrixCell) matrixViewCell {
	v := m.of(c)
	if v == nil || c.Outcome == result.CellExcluded {
		text := c.Outcome
		if text == result.CellMeasured {
			text = result.CellLacks // the cell has other figures
		}
		return matrixViewCell{Text: text, Class: "gap", Hover: strings.Join(c.Reasons, "; ")}
	}
	out := matrixViewCell{Text: figure.Rounded(*v), Hover: c.Arm}
	if m.name == "qps" && c.Limited {
		out.Text = ">= " + out.Text
		out.Hover += "; the load generator may be the limit"
	}
	if c.Outcome == result.CellInvalid {
		out.Class, out.Hover = "gap", "INVALID: "+strings.Join(c.Reasons, "; ")
	}
	r := ratioOf(c, m.name)
	if r == nil {
		return out
	}
	if r.Low == nil || r.High == nil {
		out.Hover += "; too few rounds for a ratio"
		return out
	}
	out.Ratio = fmt.Sprintf("%.2fx (%.2f to %.2f)", r.Ratio, *r.Low, *r.High)
	out.Hover += fmt.Sprintf("; %.2f to %.2f times the reference (95%%)", *r.Low, *r.High)
	if out.Class == "" {
		out.Class = shade(m, r)
	}
	return out
}

// shade is the class of a cell's colour: how much better or worse it is, where the interval tells it from 1.
func shade(m matrixMetric, r *result.MatrixRatio) string {
	if *r.Low <= 1 && *r.High >= 1 {
		return "same"
	}
	good := r.Ratio < 1
	if m.higher {
		good = !good
	}
	depth := 1
	if by := math.Abs(math.Log2(r.Ratio)); by > 1 {
		depth = 3
	} else if by > 0.4 {
		depth = 2
	}
	if good {
		return fmt.Sprintf("better%d", depth)
	}
	return fmt.Sprintf("worse%d", depth)
}
