package gate

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"gatelab/harness/internal/stats"
)

// Line is a decision in one line.
func (d Decision) Line() string {
	return fmt.Sprintf("gate: %s after %d rounds: %s", strings.ToUpper(string(d.Verdict)), d.Rounds, d.Reason)
}

// ExitCode is what a decision's verdict is to a shell: 0 pass, 1 regression, 3
// inconclusive. 2 is kept for a gate that could not run.
func (d Decision) ExitCode() int {
	switch d.Verdict {
	case stats.Pass:
		return 0
	case stats.Fail:
		return 1
	}
	return 3
}

// Markdown is the decision as a summary for a merge request: verdict, a table
// of the metrics, what a reader should know.
func Markdown(w io.Writer, r *Record, d Decision) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Performance gate: %s\n\n%s.\n\n", strings.ToUpper(string(d.Verdict)), mark(d.Reason))
	if path := r.Arms["baseline"]; path != "" {
		fmt.Fprintf(&b, "Baseline: %s. Head: %s. %d rounds", mark(path), mark(r.Arms[Base]), d.Rounds)
	} else {
		fmt.Fprintf(&b, "Base: %s. Head: %s. %d rounds, both builds side by side in one lab, alternating", mark(r.Arms[Base]), mark(r.Arms[Head]), d.Rounds)
	}
	if d.Looks > 1 {
		fmt.Fprintf(&b, ", extended once from %d", r.Rounds)
	}
	b.WriteString(".\n\n")
	b.WriteString("| metric | head / base | one-sided 95% bounds | margin | p (Holm) | verdict |\n| --- | ---: | ---: | ---: | ---: | --- |\n")
	for _, e := range d.Metrics {
		verdict := string(e.Verdict)
		if e.Advisory {
			verdict += " (advisory)"
		}
		if e.Guard && e.Verdict == stats.Inconclusive {
			verdict = "not told"
		}
		if e.Pairs == 0 {
			fmt.Fprintf(&b, "| %s | n/a | n/a | %s | n/a | %s |\n", mark(e.Name), ratio(e.Margin), verdict)
			continue
		}
		p := ratio(e.P)
		if e.Advisory {
			p = "" // no part of the family that is adjusted
		}
		fmt.Fprintf(&b, "| %s | %s | %s to %s | %s | %s | %s |\n", mark(e.Name), ratio(e.Ratio), ratio(e.Low), ratio(e.High), ratio(e.Margin), p, verdict)
	}
	b.WriteString("\nerror_rate is a difference of rates, by an exact test; all others are ratios, above 1 is more. ")
	b.WriteString("FAIL: wholly beyond the margin. PASS: wholly within. Otherwise inconclusive. ")
	b.WriteString("p99 fails a gate like the others; where stalls of the host hide it, it is not told and holds no verdict up.\n")
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "\n- %s", mark(n))
	}
	if len(d.Notes) > 0 {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func ratio(v float64) string { return fmt.Sprintf("%.3g", v) }

// mark keeps foreign text from becoming markup.
func mark(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(s)
}

// The part of JUnit's XML that CI systems read.
type (
	suite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	testCase struct {
		XMLName xml.Name `xml:"testcase"`
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *said    `xml:"failure,omitempty"`
		Error   *said    `xml:"error,omitempty"`
		Skipped *said    `xml:"skipped,omitempty"`
		Out     string   `xml:"system-out,omitempty"`
	}
	said struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit is the decision as a test report: a case for each metric, and one for
// the gate as a whole. A metric that fails is a failure, an inconclusive gate is
// an error; advisory and inconclusive metrics are skipped.
func JUnit(w io.Writer, d Decision) error {
	s := suite{Name: "performance gate"}
	add := func(c testCase) {
		c.Class = "gate"
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	for _, e := range d.Metrics {
		c := testCase{Name: e.Name, Out: e.Reason}
		switch {
		case e.Advisory:
			c.Skipped = &said{"advisory: " + e.Reason}
		case e.Verdict == stats.Fail:
			c.Failure = &said{e.Reason}
		case e.Verdict == stats.Inconclusive:
			c.Skipped = &said{e.Reason}
		}
		add(c)
	}
	whole := testCase{Name: "verdict", Out: d.Line()}
	switch d.Verdict {
	case stats.Fail:
		whole.Failure = &said{d.Reason}
	case stats.Inconclusive:
		whole.Error = &said{d.Reason}
	}
	add(whole)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
